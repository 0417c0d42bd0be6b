import { urgencies } from "./urgency.js";

/** Ids of experiences, and of nothing else: they become metric labels. */
export const experienceIdPattern = "^[a-z][a-z0-9_]{0,63}$";
export const featureCategoryPattern = "^[a-z][a-z0-9_]{0,63}$";
export const typePattern = "^[a-z][a-z0-9_-]{0,31}$";
export const checkpointCategoryPattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$";

/** JSON Schema (draft-07) of a definition file. */
export const definitionSchema = Object.freeze({
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "Covered experience",
  description: "One kind of user journey. The file's base name is its id.",
  type: "object",
  required: ["description", "feature_category", "urgency"],
  properties: {
    $schema: { type: "string" },
    description: { type: "string", minLength: 1, maxLength: 1000 },
    feature_category: { type: "string", pattern: featureCategoryPattern },
    urgency: { enum: urgencies },
    apdex_threshold_s: {
      description: "Seconds up to which a successful run satisfies. Only with urgency custom.",
      type: "number",
      exclusiveMinimum: 0,
      maximum: 600,
    },
    timeout_s: {
      description: "Seconds after which a run without an end has failed. At least the threshold.",
      type: "number",
      exclusiveMinimum: 0,
      maximum: 604_800,
    },
    inactivity_timeout_s: {
      description: "Seconds without a checkpoint after which a run has failed. At most the timeout.",
      type: "number",
      exclusiveMinimum: 0,
      maximum: 604_800,
    },
    slo: {
      type: "object",
      properties: {
        apdex_pct: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 100 },
        error_pct: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 100 },
      },
      additionalProperties: false,
    },
    types: {
      description: "Values of `type` that take part.",
      type: "array",
      maxItems: 50,
      uniqueItems: true,
      items: { type: "string", pattern: typePattern },
    },
    checkpoint_categories: {
      description: "Checkpoint categories that reports always keep apart.",
      type: "array",
      maxItems: 50,
      uniqueItems: true,
      items: { type: "string", pattern: checkpointCategoryPattern },
    },
    alerts: {
      type: "object",
      properties: {
        enabled: { type: "boolean" },
        min_events: { type: "integer", minimum: 1 },
        min_failures: { type: "integer", minimum: 1 },
        expect_traffic_within_s: { type: "number", exclusiveMinimum: 0 },
      },
      additionalProperties: false,
    },
    path: {
      description: "The usual way through the journey, in order.",
      type: "array",
      maxItems: 50,
      items: {
        type: "object",
        required: ["category"],
        properties: {
          category: { type: "string", pattern: checkpointCategoryPattern },
          optional: { type: "boolean" },
          max_gap_s: { type: "number", exclusiveMinimum: 0 },
        },
        additionalProperties: false,
      },
    },
  },
  if: { properties: { urgency: { const: "custom" } }, required: ["urgency"] },
  // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
  then: { required: ["apdex_threshold_s"] },
  else: { properties: { apdex_threshold_s: false } },
});
