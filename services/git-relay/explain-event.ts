import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { readEvent, readReferences } from "@signalbox/nostr";
import type { EventIntake } from "./accept-event.js";
import type { EndOf } from "./event-end.js";
import { findRejection, type RejectionReason } from "./peers/rejected-index.js";
import type { EventSource, RelayEvents } from "./store/port.js";

/** One thing that is true of an event here, and what to do about it in a sentence. Times in Unix milliseconds. */
export type EventFinding = { readonly fix: string } & (
  | {
      readonly state: "stored";
      readonly kind: number;
      readonly since: number;
      readonly source: EventSource;
      readonly peer: string | undefined;
      readonly correlationId: string;
    }
  | {
      readonly state: "waiting";
      readonly kind: number;
      readonly until: number;
      readonly peer: string | undefined;
      /** Ids and addresses that it refers to, of which none is here yet. */
      readonly waitsFor: readonly string[];
    }
  | {
      readonly state: "rejected";
      readonly reason: RejectionReason;
      readonly message: string;
      readonly peer: string;
      readonly since: number;
      readonly until: number;
    }
  | { readonly state: "deleted"; readonly deletionId: string }
  | { readonly state: "expired"; readonly since: number }
);

export interface EventExplainer {
  /** What is true of the event, the most telling first; nothing when it was never seen. */
  explain(id: string): Promise<readonly EventFinding[]>;
}

export interface EventExplainerOptions {
  readonly database: Database;
  readonly events: RelayEvents;
  /** Absent: the relay runs in another process, which knows what waits. */
  readonly intake?: Pick<EventIntake, "waiting"> | undefined;
  readonly endOf: EndOf;
  readonly clock: Clock;
}

export function createEventExplainer({
  database,
  events,
  intake,
  endOf,
  clock,
}: EventExplainerOptions): EventExplainer {
  const findStored = async (id: string): Promise<readonly EventFinding[]> => {
    const record = await events.find(id);
    if (!record) return [];
    const read = readEvent(JSON.parse(record.raw));
    const end = read.kind === "event" ? endOf(read.event) : undefined;
    if (end !== undefined && end * 1_000 <= clock.nowMs())
      return [{ state: "expired", since: end * 1_000, fix: "It ended when its author wanted; publish a new one." }];
    const { kind, source, peer, correlationId, firstSeenAtMs } = record;
    return [
      { state: "stored", kind, since: firstSeenAtMs, source, peer, correlationId, fix: "Nothing: it is served." },
    ];
  };

  const findWaiting = (id: string): readonly EventFinding[] => {
    const found = intake?.waiting().find(({ event }) => event.id === id);
    if (!found) return [];
    const { ids, addresses } = readReferences(found.event);
    const fix = "Publish what it refers to, or the announcement of the repository; it is then stored by itself.";
    return [
      {
        state: "waiting",
        kind: found.event.kind,
        until: found.untilMs,
        peer: found.origin.peer,
        waitsFor: [...ids, ...addresses],
        fix,
      },
    ];
  };

  const findRejected = async (id: string): Promise<readonly EventFinding[]> => {
    const found = await findRejection(database, id, clock.nowMs());
    if (!found) return [];
    const { reason, message, peer, rejectedAt, rememberedUntil } = found;
    return [
      { state: "rejected", reason, message, peer, since: rejectedAt, until: rememberedUntil, fix: fixOf[reason] },
    ];
  };

  return {
    async explain(id) {
      const [stored, rejected, deletionId] = await Promise.all([
        findStored(id),
        findRejected(id),
        events.findDeletion(id),
      ]);
      const isStored = stored.some(({ state }) => state === "stored");
      // Anybody can name any id in a deletion; what is here was not its author's wish to remove.
      const isDeleted = deletionId !== undefined && !isStored;
      const held = isStored ? [] : [...findWaiting(id), ...rejected];
      const deleted: readonly EventFinding[] = isDeleted
        ? [{ state: "deleted", deletionId, fix: "Its author has to publish it anew, as a new event." }]
        : [];
      return isStored ? stored : [...held, ...deleted, ...stored];
    },
  };
}

const fixOf: Readonly<Record<RejectionReason, string>> = {
  does_not_list_service:
    "Add this relay to the `relays` and `clone` tags of the announcement, or have a maintainer's announcement list its author.",
  maintainer_not_yet_valid:
    "Publish an announcement of the repository that lists its author among the maintainers; it is then fetched by itself.",
  other: "The message says what is wrong; it is decided anew when it is fetched after that time.",
};
