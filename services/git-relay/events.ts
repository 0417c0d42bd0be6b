import { type DomainEvent, defineEvent, type PayloadOf } from "@signalbox/event-store";
import { addressOf, formatAddress } from "@signalbox/nostr";
import type { NewEvent } from "./store/port.js";

/** A Nostr event was stored. Published in the transaction that stores it. */
export const eventSaved = defineEvent("git_relay.event_saved", {
  description: "The relay stored a Nostr event",
  owner: "git-relay",
  category: "source-code",
  log: "failures",
  subject: (data) => `relay/events/${data.id}`,
  schema: {
    type: "object",
    required: ["id", "kind", "pubkey", "created_at", "source"],
    properties: {
      id: { type: "string", pattern: "^[0-9a-f]{64}$" },
      kind: { type: "integer", minimum: 0, maximum: 65_535 },
      pubkey: { type: "string", pattern: "^[0-9a-f]{64}$" },
      created_at: { type: "integer", description: "Seconds since the Unix epoch, as its author says" },
      address: { type: "string", description: "kind:pubkey:identifier of replaceable and addressable events" },
      source: { type: "string", enum: ["client", "sync", "git"] },
      peer: { type: "string", description: "The relay that it was fetched from" },
    },
  },
});

export type EventSaved = PayloadOf<typeof eventSaved>;

/** One domain event for each stored event, with the event's own correlation id. */
export function describeSaved({ event, origin }: NewEvent): DomainEvent<EventSaved> {
  const address = addressOf(event);
  return eventSaved.create(
    {
      id: event.id,
      kind: event.kind,
      pubkey: event.pubkey,
      created_at: event.created_at,
      ...(address && { address: formatAddress(address) }),
      source: origin.source,
      ...(origin.peer !== undefined && { peer: origin.peer }),
    },
    { correlationId: origin.correlationId },
  );
}
