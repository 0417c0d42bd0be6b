/** Largest number that a number of ours can have: JSON carries no larger one exactly. */
export const maxNumber = Number.MAX_SAFE_INTEGER;

export const projectParameter = {
  type: "integer",
  minimum: 1,
  maximum: maxNumber,
  description: "Number of the project.",
  examples: [1],
} as const;

export const fingerprintParameter = {
  type: "integer",
  minimum: 1,
  maximum: maxNumber,
  description: "Number of the error.",
  examples: [42],
} as const;

export const issueParameters = { id: projectParameter, fingerprint: fingerprintParameter } as const;

const time = { type: "string", format: "date-time", examples: ["2026-03-01T09:30:00.125Z"] } as const;

export const errorExample = {
  fingerprint: 42,
  project_id: 1,
  name: "ZeroDivisionError",
  description: "division by zero",
  actor: "share(shop.billing)",
  file: "shop/billing.py",
  function: "share",
  unhandled: true,
  event_count: 17,
  approximated_user_count: 3,
  last_seen_at: "2026-03-01T09:30:00.125Z",
  first_seen_at: "2026-02-27T16:04:11.000Z",
  status: "unresolved",
  stats: { frequency: { "15m": [[1772357400, 0]] } },
  title: "ZeroDivisionError: division by zero",
  short_id: "SHOP-42",
  level: "error",
  platform: "python",
  first_release: "shop@1.3.0",
  last_release: "shop@1.4.1",
  substatus: "regressed",
  resolution: null,
  assigned_to: "ann",
  link_url: null,
  new_issue_url: null,
} as const;

/** An error as GitLab's clients know it, with a few fields more. */
export const errorSchema = {
  type: "object",
  required: [
    "fingerprint",
    "project_id",
    "name",
    "description",
    "actor",
    "event_count",
    "approximated_user_count",
    "last_seen_at",
    "first_seen_at",
    "status",
    "stats",
  ],
  properties: {
    fingerprint: { type: "integer", description: "Number of the error; it never changes and is never used again." },
    project_id: { type: "integer" },
    name: { type: "string", description: "Type of the exception, or the level of a plain message." },
    description: { type: "string", description: "First line of the exception's text, or of the message." },
    actor: { type: "string", description: "Where it happened: the transaction, or a function of the application." },
    file: { type: "string", description: "File of the frame where it happened first; empty without a stack." },
    function: { type: "string", description: "Function of that frame." },
    unhandled: { type: "boolean", description: "The program did not catch all of its events." },
    event_count: { type: "integer", description: "Exact, events that were not kept included." },
    approximated_user_count: { type: "integer", description: "Exact below 1,000, within 1 % above." },
    last_seen_at: time,
    first_seen_at: time,
    status: { enum: ["unresolved", "resolved", "ignored"] },
    stats: {
      type: "object",
      required: ["frequency"],
      properties: {
        frequency: {
          type: "object",
          description: "For the period asked for: `[start of the bucket in Unix seconds, events]`, oldest first.",
          additionalProperties: {
            type: "array",
            items: { type: "array", items: { type: "integer" }, minItems: 2, maxItems: 2 },
          },
        },
      },
    },
    title: { type: "string", description: "How the error is called in lists." },
    short_id: { type: "string", description: "For people: the project's slug and a number." },
    level: { enum: ["fatal", "error", "warning", "info", "debug"] },
    platform: { type: "string" },
    first_release: { type: ["string", "null"], description: "Release in which it was received first." },
    last_release: { type: ["string", "null"], description: "Release in which it was received last." },
    substatus: {
      enum: ["new", "ongoing", "regressed", "escalating", null],
      description: "What kind of unresolved it is; null when it is not.",
    },
    resolution: {
      type: ["object", "null"],
      description: "How it was resolved: `kind` `now`, `release` with `release`, or `next` with `base`.",
      additionalProperties: true,
    },
    assigned_to: { type: ["string", "null"], description: "Who works on it: the subject of a token." },
    link_url: { type: ["string", "null"], description: "The issue in the forge that was made for it." },
    new_issue_url: {
      type: ["string", "null"],
      description: "The forge's form for a new issue, filled in; null where the project has no template for it.",
    },
  },
} as const;

export const errorEventExample = {
  fingerprint: 42,
  project_id: 1,
  payload: '{"event_id":"8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f","platform":"python"}',
  name: "ZeroDivisionError",
  description: "division by zero",
  actor: "share(shop.billing)",
  environment: "production",
  platform: "python",
  event_id: "8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f",
  occurred_at: "2026-03-01T09:30:00.125Z",
} as const;

export const errorEventSchema = {
  type: "object",
  required: [
    "fingerprint",
    "project_id",
    "payload",
    "name",
    "description",
    "actor",
    "environment",
    "platform",
    "event_id",
    "occurred_at",
  ],
  properties: {
    fingerprint: { type: "integer", description: "Number of the error that the event belongs to." },
    project_id: { type: "integer" },
    payload: { type: "string", description: "The whole event as JSON text, in Sentry's form." },
    name: { type: "string" },
    description: { type: "string" },
    actor: { type: "string" },
    environment: { type: "string" },
    platform: { type: "string" },
    event_id: { type: "string", pattern: "^[0-9a-f]{32}$" },
    occurred_at: time,
  },
} as const;

/** A success answer with its example, as the OpenAPI document shows it. */
export function jsonAnswer(description: string, schema: object, example: unknown): object {
  return { description, content: { "application/json": { schema, examples: { example: { value: example } } } } };
}

/** The same for a list with pages. */
export function listAnswer(description: string, schema: object, example: unknown): object {
  const headers = {
    Link: { type: "string", description: "Addresses of the next and the previous page, where there is one." },
  };
  return { ...jsonAnswer(description, { type: "array", items: schema }, [example]), headers };
}
