import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import type { PrepareOptions } from "../digest/prepare-event.js";
import { compileGroupingRules } from "../grouping/compile-rules.js";
import { groupEvent } from "../grouping/group-event.js";
import { explanationText, type Strategy, type VariantName } from "../grouping/grouping.js";
import { markInApp } from "../grouping/mark-in-app.js";
import { normaliseEvent } from "../normalise/normalise-event.js";

/** Why an event is grouped as it is, by the rules that the project has now. */
export interface GroupingExplanation {
  readonly version: number;
  readonly strategy: Strategy;
  readonly hashes: readonly {
    readonly hash: string;
    readonly variant: VariantName;
    readonly explanation: JsonObject;
  }[];
}

/** Groups a stored event once more. What was scrubbed from it can make its hashes other ones than those it was stored by. */
export function explainGrouping(payload: string, options: PrepareOptions): GroupingExplanation {
  const stored: unknown = JSON.parse(payload);
  const raw = isJsonObject(stored) ? stored : {};
  const receivedAtMs = Date.parse(String(raw["received"]));
  const { event } = normaliseEvent(restoreInApp(raw), {
    eventId: String(raw["event_id"]),
    receivedAtMs: Number.isNaN(receivedAtMs) ? 0 : receivedAtMs,
    correlationId: "",
  });
  const rules = compileGroupingRules(options.fingerprintRules, options.stackRules);
  markInApp(event, rules);
  const grouping = groupEvent(event, rules, options.groupingVersion);
  return {
    version: grouping.version,
    strategy: grouping.strategy,
    hashes: grouping.hashes.map((hash) => ({
      hash: hash.hash,
      variant: hash.variant,
      explanation: JSON.parse(explanationText(grouping, hash)),
    })),
  };
}

/** Frames as the client sent them: what rules had decided before is decided anew. */
function restoreInApp(raw: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(raw), (_key, value: unknown) => {
    if (!isJsonObject(value) || value["orig_in_app"] === undefined) return value;
    const { orig_in_app: sent, ...frame } = value;
    return { ...frame, in_app: sent };
  });
}
