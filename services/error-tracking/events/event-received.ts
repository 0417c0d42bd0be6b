import { defineEvent } from "@signalbox/event-store";
import { attachmentsSchema, payloadSchema } from "./payload-schemas.js";

/**
 * An SDK sent an error event, and nothing has looked into it yet but to see that it is a JSON object.
 * Published once per event; its id is `et:{project}:{event_id}`, so that publishing it again changes nothing.
 */
export const eventReceived = defineEvent("error_tracking.event_received", {
  description: "An error event arrived and waits to be grouped and stored",
  owner: "error-tracking",
  category: "observability",
  log: "failures",
  // Payloads are compressed beyond 64 KiB; what is still larger than this goes to the blob store.
  maxInlineBytes: 768 * 1024,
  sensitive: ["/payload", "/client_address", "/origin", "/user_agent", "/attachments"],
  subject: (data) => `projects/${data.project_id}/events/${data.event_id}`,
  schema: {
    type: "object",
    required: ["project_id", "key_id", "event_id", "received_at", "payload", "attachments"],
    properties: {
      project_id: { type: "integer", minimum: 1 },
      key_id: { type: "integer", minimum: 1 },
      category: { type: "string", description: "Quota class that it is counted under; absent: error" },
      event_id: { type: "string", pattern: "^[0-9a-f]{32}$" },
      received_at: { type: "string", description: "When the edge had the request, RFC 3339 with milliseconds" },
      sent_at: { type: "string", description: "When the client sent it by its own clock, RFC 3339" },
      client_address: { type: "string" },
      origin: { type: "string", description: "Page or host a browser sent it from" },
      user_agent: { type: "string" },
      sdk: {
        type: "object",
        required: ["name"],
        properties: { name: { type: "string" }, version: { type: "string" } },
      },
      request_correlation_id: { type: "string", description: "Of the ingest request; the event's own ids come first" },
      payload: payloadSchema,
      attachments: attachmentsSchema,
    },
  },
});

/** Id of the event that carries an error event; equal for every copy that the client sends. */
export function eventReceivedId(projectId: number, eventId: string): string {
  return `et:${projectId}:${eventId}`;
}
