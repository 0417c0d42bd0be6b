import { urlOf } from "../stores.js";
import { broken, brokenBy, type Check, type Finding, ok } from "./finding.js";

/** A running server knows best how its own engines are. */
export const checkServer: Check = async ({ config, server }) => {
  if (!server) return [ok("server", "no server runs on this data directory")];
  const url = `${server.metricsUrl ?? urlOf(config.metricsListen)}/-/readiness`;
  const subject = `server (process ${server.pid})`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    const states = parseReadiness(await answer.json());
    return [
      answer.ok
        ? ok(subject, `runs since ${server.startedAt} and is ready`)
        : broken(subject, `runs since ${server.startedAt} and is not ready`, "See what is down below, and its log."),
      ...states.map(findingOf),
    ];
  } catch (error) {
    const advice = `It holds the data directory but does not answer at ${url}. Look at its log, or restart it.`;
    return [brokenBy(subject, error, advice)];
  }
};

interface DependencyState {
  readonly name: string;
  readonly isUp: boolean;
  readonly reason: string;
}

function findingOf({ name, isUp, reason }: DependencyState): Finding {
  const subject = `${name} of the server`;
  return isUp ? ok(subject, "is up") : broken(subject, `is down (${reason})`, "Look at the server's log.");
}

function parseReadiness(body: unknown): DependencyState[] {
  if (typeof body !== "object" || body === null || !("checks" in body) || !Array.isArray(body.checks))
    throw new Error("The answer has an unexpected form");
  return body.checks.map((check: Readonly<Record<string, unknown>>) => ({
    name: String(check["name"]),
    isUp: check["status"] === "up",
    reason: String(check["reason"] ?? "unknown reason"),
  }));
}
