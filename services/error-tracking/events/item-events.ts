import { createHash } from "node:crypto";
import { type DomainEvent, defineEvent, type PayloadOf } from "@signalbox/event-store";
import { attachmentsSchema, payloadSchema } from "./payload-schemas.js";

/** Quota classes of what such a message holds. */
export const itemCategories = ["session", "monitor", "feedback", "attachment"] as const;
const quantity = { type: "integer", minimum: 1 } as const;

/**
 * An SDK sent something beside an event: sessions, check-ins, feedback, reports of what it discarded, attachments of an
 * event that came or comes another way. Published once per envelope; its id is made from the content, so that
 * publishing it again changes nothing.
 */
export const itemReceived = defineEvent("error_tracking.item_received", {
  description: "Sessions, check-ins, feedback, client reports or attachments arrived and wait to be stored",
  owner: "error-tracking",
  category: "observability",
  log: "failures",
  maxInlineBytes: 768 * 1024,
  sensitive: ["/items/*/payload", "/attachments"],
  subject: (data) => `projects/${data.project_id}/items`,
  schema: {
    type: "object",
    required: ["project_id", "key_id", "received_at", "items", "attachments"],
    properties: {
      project_id: { type: "integer", minimum: 1 },
      key_id: { type: "integer", minimum: 1 },
      received_at: { type: "string", description: "When the edge had the request, RFC 3339 with milliseconds" },
      sent_at: { type: "string", description: "When the client sent it by its own clock, RFC 3339" },
      event_id: { type: "string", pattern: "^[0-9a-f]{32}$", description: "The event that attachments belong to" },
      quantities: {
        type: "object",
        description: "How many items of each quota class it holds, for whoever cannot read them",
        properties: { session: quantity, monitor: quantity, feedback: quantity, attachment: quantity },
      },
      items: {
        type: "array",
        items: {
          type: "object",
          required: ["type", "payload"],
          properties: {
            type: { type: "string" },
            payload: payloadSchema,
          },
        },
      },
      attachments: attachmentsSchema,
    },
  },
});

/** A message as the edge published it. */
export type ReceivedItems = DomainEvent<PayloadOf<typeof itemReceived>>;

/** Id of the event that carries items; equal for every copy that the client sends. */
export function itemReceivedId(
  projectId: number,
  items: readonly { readonly type: string; readonly payload: Uint8Array }[],
  around: {
    readonly eventId: string | undefined;
    readonly sentAtMs: number | undefined;
    readonly attachments: readonly { readonly name: string; readonly sha256: string }[];
  },
): string {
  const hash = createHash("sha256");
  for (const { type, payload } of items) hash.update(`${type}:${payload.length}:`).update(payload);
  hash.update(
    JSON.stringify([
      around.sentAtMs ?? null,
      around.eventId ?? null,
      around.attachments.map(({ name, sha256 }) => [name, sha256]),
    ]),
  );
  const types = new Set(items.map(({ type }) => type));
  const [only = "attachment"] = types;
  return `et:${projectId}:${types.size > 1 ? "items" : only}:${hash.digest("hex").slice(0, 32)}`;
}
