import type { KnownExperiences } from "./known-experiences.js";
import type { Run } from "./run.js";
import type { Sendable } from "./sender.js";

/** Makes the JSON text of a checkpoint; absent when nobody defined its experience. */
export function createEncoder(type: string, definitions: KnownExperiences) {
  const prefixOf = (run: Run): string | undefined => {
    if (run.prefix !== undefined) return run.prefix;
    const known = run.known ?? definitions.find(run.experienceId);
    if (known === undefined || known === "pending") return undefined;
    run.known = known;
    // No part needs escaping: each was checked against a pattern or comes from a checked definition.
    run.prefix =
      `{"correlation_id":"${run.correlationId}","covered_experience_id":"${run.experienceId}","type":"${type}",` +
      `"feature_category":"${known.featureCategory}","urgency":"${known.urgency}","run":"${run.name}",`;
    return run.prefix;
  };
  const occurred = createTimeText();
  const sent = createTimeText();
  return (checkpoint: Sendable, sentAtMs: number): string | undefined => {
    if (typeof checkpoint === "string") return `${checkpoint.slice(0, -1)},"sent_timestamp":"${sent(sentAtMs)}"}`;
    const { run, kind, eventId, sequence, atMs, category, rest } = checkpoint;
    const prefix = prefixOf(run);
    if (prefix === undefined) return undefined;
    const step = category === undefined ? "" : `,"checkpoint_category":"${category}"`;
    return `${prefix}"checkpoint":"${kind}","client_timestamp":"${occurred(atMs)}","event_id":"${eventId}","sequence":${sequence}${step}${rest},"sent_timestamp":"${sent(sentAtMs)}"}`;
  };
}

/** RFC 3339 in UTC with milliseconds. Many checkpoints share a millisecond, so the last text is remembered. */
function createTimeText(): (timeMs: number) => string {
  let lastMs = Number.NaN;
  let text = "";
  return (timeMs) => {
    if (timeMs !== lastMs) {
      lastMs = timeMs;
      text = new Date(timeMs).toISOString();
    }
    return text;
  };
}
