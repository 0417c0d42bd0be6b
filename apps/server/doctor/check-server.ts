import { urlOf } from "../stores.js";
import { broken, brokenBy, type Check, type Finding, ok } from "./finding.js";

/** A running server knows best how its own engines are. */
export const checkServer: Check = async ({ config, server }) => {
  if (!server) return [ok("server", "no server runs on this data directory")];
  const url = `${urlOf(config.metricsListen)}/-/readiness`;
  const subject = `server (process ${server.pid})`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    const { dependencies } = parseReadiness(await answer.json());
    return [
      answer.ok
        ? ok(subject, `runs since ${server.startedAt} and is ready`)
        : broken(subject, `runs since ${server.startedAt} and is not ready`, "See the dependencies below and its log."),
      ...dependencies.map(findingOf),
    ];
  } catch (error) {
    const advice = `It holds the data directory but does not answer at ${url}. Look at its log, or restart it.`;
    return [brokenBy(subject, error, advice)];
  }
};

function findingOf({ name, ok: answers, failure }: AnsweredDependency): Finding {
  const subject = `${name} of the server`;
  return answers
    ? ok(subject, "answers")
    : broken(subject, `does not answer (${failure ?? "unknown reason"})`, "Look at the server's log.");
}

interface AnsweredDependency {
  readonly name: string;
  readonly ok: boolean;
  readonly failure: string | undefined;
}

function parseReadiness(body: unknown): { readonly dependencies: readonly AnsweredDependency[] } {
  if (typeof body !== "object" || body === null || !("dependencies" in body) || !Array.isArray(body.dependencies))
    throw new Error("The answer has an unexpected form");
  return {
    dependencies: body.dependencies.map((dependency: Readonly<Record<string, unknown>>) => ({
      name: String(dependency["name"]),
      ok: dependency["ok"] === true,
      failure: dependency["failure"] === undefined ? undefined : String(dependency["failure"]),
    })),
  };
}
