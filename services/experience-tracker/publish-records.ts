import type { TransactionHandle } from "@signalbox/database";
import type { DomainEvent, EventStore } from "@signalbox/event-store";
import type { OutboxRecord } from "@signalbox/experience";
import { eventOf } from "./events.js";

/**
 * Publishes records as events, those of one run in their order: a group per kind of event in the order in which the kinds
 * first appear would break it, so a group ends where a run goes on with another kind.
 */
export async function publishRecords(
  eventStore: Pick<EventStore, "publishGroup">,
  records: readonly OutboxRecord[],
  transaction?: TransactionHandle,
): Promise<void> {
  for (const group of groupsOf(records)) await eventStore.publishGroup(group, transaction ? { transaction } : {});
}

/** More would be handed to the transport in several portions, for which all of them would be encoded twice. */
const eventsTogether = 128;

function groupsOf(records: readonly OutboxRecord[]): DomainEvent<unknown>[][] {
  // A record may join the latest group of its kind unless its run has an event in a group behind that one.
  const groups: DomainEvent<unknown>[][] = [];
  const latestOfKind = new Map<OutboxRecord["kind"], number>();
  const latestOfRun = new Map<string, number>();
  for (const record of records) {
    const event = eventOf(record);
    const open = latestOfKind.get(record.kind);
    const floor = latestOfRun.get(event.subject) ?? 0;
    const hasRoom = open !== undefined && open >= floor && (groups[open]?.length ?? 0) < eventsTogether;
    const index = hasRoom ? open : groups.length;
    if (index === groups.length) groups.push([]);
    groups[index]?.push(event);
    latestOfKind.set(record.kind, index);
    latestOfRun.set(event.subject, index);
  }
  return groups;
}
