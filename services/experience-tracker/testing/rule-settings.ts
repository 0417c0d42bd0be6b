import { type Definition, parseDefinition } from "@signalbox/experience";
import type { RuleSettings } from "../rules/index.js";

/** Settings of a server that says nothing else. */
export const ruleSettings: RuleSettings = {
  metricPrefix: "gitlab_covered_experience",
  sliMetrics: "inline",
  publicUrl: undefined,
  metricsTarget: "127.0.0.1:9464",
  canaryIntervalS: 60,
};

/** A valid definition, changed by what is given. */
export function define(id: string, content: object = {}): Definition {
  const reading = parseDefinition(id, {
    description: "A user opens a merge request",
    feature_category: "code_review",
    urgency: "sync_fast",
    ...content,
  });
  if (reading.kind === "invalid") throw new TypeError(JSON.stringify(reading.errors));
  return reading.definition;
}
