import type { KnownExperiences } from "./known-experiences.js";
import type { Waiting } from "./queue.js";
import type { Run } from "./run.js";

/** Makes the JSON text of a checkpoint; absent when nobody defined its experience. */
export function createEncoder(type: string, definitions: KnownExperiences, nowMs: () => number) {
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
  return (waiting: Waiting): string | undefined => {
    const prefix = prefixOf(waiting.run);
    if (prefix === undefined) return undefined;
    return `${prefix}${waiting.text},"sent_timestamp":"${new Date(nowMs()).toISOString()}"}`;
  };
}
