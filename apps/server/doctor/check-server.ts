import type { ServerConfig } from "../config.js";
import type { DirectoryHolder } from "../data-directory.js";
import { urlOf } from "../stores.js";
import { broken, brokenBy, type Check, type DependencyState, type Finding, ok, type Readiness } from "./finding.js";

const patienceMs = 10_000;

/** A running server knows best how its own engines are. */
export const checkServer: Check = async ({ config, server, readiness }) => {
  if (!server || !readiness) return [ok("server", "no server runs on this data directory")];
  const subject = `server (process ${server.pid})`;
  if (readiness.kind === "silent") {
    const advice = `It holds the data directory but does not answer at ${urlOfReadiness(config, server)}. Look at its log, or restart it.`;
    return [brokenBy(subject, readiness.cause, advice)];
  }
  return [
    readiness.isReady
      ? ok(subject, `runs since ${server.startedAt} and is ready`)
      : broken(subject, `runs since ${server.startedAt} and is not ready`, "See what is down below, and its log."),
    ...readiness.states.map(findingOf),
  ];
};

/** Asks a running server how it is. */
export async function askReadiness(config: ServerConfig, server: DirectoryHolder): Promise<Readiness> {
  try {
    const answer = await fetch(urlOfReadiness(config, server), { signal: AbortSignal.timeout(patienceMs) });
    return { kind: "answered", isReady: answer.ok, states: parseReadiness(await answer.json()) };
  } catch (cause) {
    return { kind: "silent", cause };
  }
}

function urlOfReadiness(config: ServerConfig, server: DirectoryHolder): string {
  return `${server.metricsUrl ?? urlOf(config.metricsListen)}/-/readiness`;
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
