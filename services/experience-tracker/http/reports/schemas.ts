/** Id of an experience, in a query. */
export const experienceParameter = {
  type: "string",
  description: "Id of the experience.",
  examples: ["create_merge_request"],
} as const;

export const nullable = (type: string, description: string) => ({ type: [type, "null"], description }) as const;

export const object = <Properties extends Readonly<Record<string, unknown>>>(properties: Properties) =>
  ({ type: "object", required: Object.keys(properties), properties }) as const;

export const listOf = <Properties extends Readonly<Record<string, unknown>>>(properties: Properties) =>
  ({ type: "array", items: object(properties) }) as const;

const integer = { type: "integer" } as const;
const budget = nullable("number", "1: untouched, 0: used up, negative: overspent; null without traffic.");

export const figureProperties = {
  operations: { type: "integer", description: "Runs that ended or timed out." },
  errors: { type: "integer", description: "Of these: failed or timed out." },
  timeouts: integer,
  apdex_weight: { type: "integer", description: "Runs that count for apdex." },
  apdex_success: { type: "integer", description: "Of these: satisfied." },
  apdex_ratio: nullable("number", "Null without traffic."),
  error_ratio: nullable("number", "Null without traffic."),
  p50_s: nullable("number", "Seconds; null when no run has ended."),
  p95_s: nullable("number", "Seconds."),
  p99_s: nullable("number", "Seconds."),
} as const;

export const figureExample = {
  operations: 1000,
  errors: 10,
  timeouts: 4,
  apdex_weight: 990,
  apdex_success: 980,
  apdex_ratio: 0.9899,
  error_ratio: 0.01,
  p50_s: 0.4,
  p95_s: 1.9,
  p99_s: 3.2,
} as const;

const sides = {
  operations: integer,
  errors: integer,
  error_ratio: nullable("number", "Null without traffic."),
  availability: nullable("number", "Null without traffic."),
  error_budget_remaining: budget,
} as const;

/** What every row of a report has. */
export const rowProperties = {
  ...figureProperties,
  late_success: { type: "integer", description: "Timeouts whose end came later as a success." },
  discards: integer,
  availability: nullable("number", "Apdex and errors together; null without traffic."),
  error_budget_remaining: budget,
  apdex_budget_remaining: budget,
  timeouts_in_gap: { type: "integer", description: "Timeouts while checkpoints could not arrive." },
  gap_s: { type: "number", description: "How long checkpoints could not arrive, in seconds." },
  complete: { type: "boolean", description: "Whether there was no such time." },
  with_gaps: { description: "With what ended or timed out while checkpoints could not arrive.", ...object(sides) },
  without_gaps: { description: "Without it.", ...object(sides) },
} as const;

const sideExample = {
  operations: 1000,
  errors: 10,
  error_ratio: 0.01,
  availability: 0.98995,
  error_budget_remaining: -19,
} as const;

export const rowExample = {
  ...figureExample,
  late_success: 1,
  discards: 3,
  availability: 0.98995,
  error_budget_remaining: -19,
  apdex_budget_remaining: -19.20202,
  timeouts_in_gap: 0,
  gap_s: 0,
  complete: true,
  with_gaps: sideExample,
  without_gaps: sideExample,
} as const;

export const experienceRowProperties = {
  covered_experience_id: { type: "string" },
  feature_category: { type: "string" },
  urgency: { type: "string" },
  threshold_s: { type: "number" },
  timeout_s: { type: "number" },
  slo: object({ apdex_pct: { type: "number" }, error_pct: { type: "number" } }),
  ...rowProperties,
} as const;

export const experienceRowExample = {
  covered_experience_id: "create_merge_request",
  feature_category: "code_review_workflow",
  urgency: "sync_fast",
  threshold_s: 2,
  timeout_s: 30,
  slo: { apdex_pct: 99.95, error_pct: 0.05 },
  ...rowExample,
} as const;

export const chargeGapsParameter = {
  type: "boolean",
  default: true,
  description: "False: what timed out or ended while checkpoints could not arrive counts neither as error nor as run.",
  examples: [true],
} as const;

export const formatParameter = {
  enum: ["json", "csv"],
  default: "json",
  description: "`csv`: the same rows as text, the first line names the columns.",
  examples: ["json"],
} as const;

/** An answer that comes as JSON or, on request, as CSV. */
export function jsonOrCsv(description: string, schema: object, example: object, csvExample: string) {
  return {
    description,
    content: {
      "application/json": { schema: { ...schema, examples: [example] } },
      "text/csv": { schema: { type: "string", examples: [csvExample] } },
    },
  } as const;
}
