const text = { type: "string" } as const;
const count = { type: "integer", minimum: 0 } as const;

const entrySchema = {
  type: "object",
  required: ["id", "kind", "at", "title", "status", "outcome", "related"],
  properties: {
    id: { type: "string", description: "Unique in the timeline and the same at each look." },
    kind: { enum: ["journey", "checkpoint", "event", "attempt", "error", "relay_event", "alert"] },
    at: { type: "string", format: "date-time" },
    title: text,
    status: { type: "string", description: "In the system's own words." },
    outcome: { enum: ["ok", "failed", "open", "neutral"] },
    duration_s: { type: "number", minimum: 0 },
    link: { type: "string", description: "Path of the API under which it is shown in full." },
    caused_by: { type: "string", description: "Id of the entry that caused it, which may be missing here." },
    related: {
      type: "array",
      items: text,
      description:
        "Ids of entries that belong to it: errors and failed attempts of a journey that failed, journey and causes of an error; of each kind the first 100.",
    },
    explanation: {
      type: "object",
      required: ["text"],
      description: "Of a journey that failed: why, as far as this timeline tells.",
      properties: {
        text: { type: "string", description: "One sentence." },
        cause: { type: "string", description: "Id of the entry to look at first." },
      },
    },
    details: { type: "object", additionalProperties: true },
  },
} as const;

export const timelineSchema = {
  type: "object",
  required: ["correlation_id", "aliases", "complete", "not_visible_to_you", "sources", "entries"],
  properties: {
    correlation_id: { type: "string", description: "In canonical form." },
    aliases: { type: "array", items: text, description: "Other correlation ids of the same work; shown here too." },
    complete: { type: "boolean", description: "Whether every system told all that it knows." },
    not_visible_to_you: { ...count, description: "Entries that the token may not see." },
    sources: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "state", "entries", "not_visible_to_you"],
        properties: {
          name: text,
          state: { enum: ["complete", "truncated", "unavailable"] },
          entries: count,
          not_visible_to_you: count,
        },
      },
    },
    entries: { type: "array", items: entrySchema },
  },
} as const;

export const timelineExample = {
  correlation_id: "01JZ3V2M5T8Q4X9C7B6A1D0E2F",
  aliases: [],
  complete: true,
  not_visible_to_you: 0,
  sources: [{ name: "errors", state: "complete", entries: 1, not_visible_to_you: 0 }],
  entries: [
    {
      id: "error:1.6f1c7b0a2f5d4c3e9b8a7d6c5e4f3a2b",
      kind: "error",
      at: "2026-03-01T09:30:00.125Z",
      title: "RangeError: the basket is empty",
      status: "error",
      outcome: "failed",
      link: "/api/v1/projects/1/errors/7/events/6f1c7b0a2f5d4c3e9b8a7d6c5e4f3a2b",
      related: [],
      details: { project_id: 1, environment: "production" },
    },
  ],
} as const;
