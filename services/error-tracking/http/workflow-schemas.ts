import { issueStatuses } from "../store/tables.js";

const time = { type: "string", format: "date-time", examples: ["2026-03-01T09:30:00.125Z"] } as const;
const maybeTime = { type: ["string", "null"], format: "date-time" } as const;

/** What a change of one or many errors may hold. */
export const changeBody = {
  type: "object",
  minProperties: 1,
  properties: {
    status: { enum: issueStatuses },
    resolve_in: {
      description: "With `resolved`: which events show that it is not. Default: any later one.",
      anyOf: [
        { enum: ["now", "current_release", "next_release"] },
        {
          type: "object",
          required: ["release"],
          additionalProperties: false,
          properties: { release: { type: "string", minLength: 1, maxLength: 250 } },
        },
      ],
    },
    ignore_until: {
      type: "object",
      description: "With `ignored`: what ends it; the first that happens. Default: nothing.",
      minProperties: 1,
      additionalProperties: false,
      properties: {
        time,
        events: { type: "integer", minimum: 1, maximum: 1_000_000_000 },
        users: { type: "integer", minimum: 1, maximum: 1_000_000_000 },
        window_s: {
          type: "integer",
          minimum: 60,
          maximum: 2_592_000,
          description: "Events and users within this time.",
        },
        escalating: { type: "boolean" },
      },
    },
    assigned_to: {
      type: ["string", "null"],
      minLength: 1,
      maxLength: 200,
      description: "Subject of a token; null: nobody.",
    },
    link_url: {
      type: ["string", "null"],
      maxLength: 2000,
      pattern: "^https?://",
      description: "The issue in the forge.",
    },
    updated_by_id: { type: "integer", description: "Number of the user in the forge who did it." },
  },
} as const;

export const changeExample = { status: "resolved", resolve_in: "next_release" } as const;

export const hashSchema = {
  type: "object",
  required: ["hash", "version", "strategy", "variant", "event_count", "created_at", "explanation"],
  properties: {
    hash: { type: "string", pattern: "^[0-9a-f]{32}$" },
    version: { type: "integer" },
    strategy: { type: "string" },
    variant: { type: "string" },
    event_count: { type: "integer", description: "Events whose first hash it is." },
    former_fingerprint: { type: ["integer", "null"], description: "The error that it was merged from." },
    created_at: time,
    explanation: { type: "object", additionalProperties: true, description: "As of the first event that had it." },
  },
} as const;

export const hashExample = {
  hash: "0123456789abcdef0123456789abcdef",
  version: 1,
  strategy: "message",
  variant: "default",
  event_count: 17,
  former_fingerprint: null,
  created_at: "2026-03-01T09:30:00.125Z",
  explanation: { version: 1, strategy: "message" },
} as const;

export const tagSchema = {
  type: "object",
  required: ["key", "total", "values", "other"],
  properties: {
    key: { type: "string" },
    total: { type: "integer", description: "Events that have the tag." },
    values: {
      type: "array",
      items: {
        type: "object",
        required: ["value", "events", "last_seen_at"],
        properties: { value: { type: "string" }, events: { type: "integer" }, last_seen_at: time },
      },
    },
    other: { type: "integer", description: "Events with values that are not listed." },
  },
} as const;

export const tagExample = {
  key: "release",
  total: 20,
  values: [{ value: "shop@1.4.1", events: 17, last_seen_at: "2026-03-01T09:30:00.125Z" }],
  other: 3,
} as const;

export const activitySchema = {
  type: "object",
  required: ["at", "actor", "kind"],
  additionalProperties: true,
  properties: {
    at: time,
    actor: { type: "string", description: "Subject of the token; empty when an event or time did it." },
    kind: { type: "string" },
  },
} as const;

export const activityExample = {
  at: "2026-03-01T09:30:00.125Z",
  actor: "ann",
  kind: "status",
  before: "unresolved",
  after: "resolved",
} as const;

export const commentSchema = {
  type: "object",
  required: ["id", "author", "text", "created_at"],
  properties: { id: { type: "integer" }, author: { type: "string" }, text: { type: "string" }, created_at: time },
} as const;

export const commentExample = {
  id: 7,
  author: "ann",
  text: "It began with the new gateway.",
  created_at: "2026-03-01T09:30:00.125Z",
} as const;

export const releaseSchema = {
  type: "object",
  required: ["version", "date_created", "new_issues"],
  properties: {
    version: { type: "string" },
    projects: { type: "array", items: { type: "integer" } },
    date_created: time,
    date_released: maybeTime,
    url: { type: ["string", "null"] },
    new_issues: { type: "integer", description: "Errors whose first event came from it." },
    first_event: maybeTime,
    last_event: maybeTime,
    commits: { type: "array", items: { type: "object", additionalProperties: true } },
    deploys: { type: "array", items: { type: "object", additionalProperties: true } },
  },
} as const;

export const releaseExample = {
  version: "shop@1.4.1",
  projects: [1],
  date_created: "2026-03-01T09:30:00.125Z",
  date_released: null,
  url: null,
  new_issues: 2,
  first_event: "2026-03-01T09:30:00.125Z",
  last_event: "2026-03-01T10:30:00.125Z",
  commits: [],
  deploys: [],
} as const;

export const deletionSchema = {
  type: "object",
  required: ["job_id", "state", "counts"],
  properties: {
    job_id: { type: "integer" },
    state: { enum: ["pending", "done"] },
    counts: { type: "object", additionalProperties: { type: "integer" }, description: "How much was removed." },
  },
} as const;

export const deletionExample = { job_id: 3, state: "pending", counts: {} } as const;
