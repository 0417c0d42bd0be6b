import type { Database } from "@signalbox/database";
import type { DeadLetters, Queues } from "@signalbox/event-store";
import { eventReceived } from "../events/event-received.js";
import { overRows, runOverRows } from "../store/json-rows.js";

/** The part of the event store that tells what waits and what was given up. */
export interface QueueState {
  readonly queues: Pick<Queues, "get" | "countUnsettled">;
  readonly dead: Pick<DeadLetters, "tally">;
}

export const digestSubscriber = "error_tracking.digest";
const subscription = `${digestSubscriber}/${eventReceived.type}`;

/** What was accepted and has no outcome yet. */
export interface PendingEvents {
  readonly events: number;
  /** False: the transport cannot tell projects apart, so these are the events of all of them. */
  readonly isOfProject: boolean;
}

/**
 * How many events of a project wait, as the transport says. Events that have their outcome already and whose rows are
 * being written are not among them.
 */
export async function countPending(
  database: Database,
  { queues }: QueueState,
  projectId: number,
): Promise<PendingEvents> {
  const ofProject = await queues.countUnsettled(digestSubscriber, `et:${projectId}:`);
  if (ofProject === null) return { events: await countAllPending(queues), isOfProject: false };
  const { rows } = await database.run<{ n: number }>(
    "select count(*) as n from error_event_ids where project_id = ? and state = 'counted'",
    [projectId],
  );
  return { events: Math.max(0, ofProject - Number(rows[0]?.n)), isOfProject: true };
}

export async function countAllPending(queues: QueueState["queues"]): Promise<number> {
  const depth = (await queues.get(digestSubscriber))?.depth;
  return depth === undefined ? 0 : depth.ready + depth.scheduled + depth.running + depth.blocked;
}

/** An event that was given up, in the cell of the ledger that it belongs to. */
export interface GivenUpEvent {
  /** 0 where the message is too large to say whose key it was. */
  readonly keyId: number;
  readonly category: string;
  readonly receivedAtMs: number;
  readonly outcome: "dead_lettered" | "discarded";
  readonly reason: string;
  /** It was counted as stored before its rows were refused. */
  readonly isCounted: boolean;
}

const counted = overRows(`
  select known.event_id from $rows
  join error_event_ids as known on known.project_id = $int(0) and known.event_id = $1 and known.received_at_ms = $int(2)`);

/**
 * Events of a project that ended as dead letters. The letters themselves are counted: one that is replayed is none any
 * more from then on, and waits again instead.
 */
export async function findGivenUp(
  database: Database,
  { dead }: QueueState,
  projectId: number,
): Promise<GivenUpEvent[]> {
  const idPrefix = `et:${projectId}:`;
  const places = [["id"], ["time"], ["data", "key_id"], ["data", "category"]];
  const sums = await dead.tally({ subscription, idPrefix, places });
  const letters = sums
    .filter(({ state }) => state !== "resolved" && state !== "replaying")
    .map(({ state, code, values: [id, time, keyId, category] }) => ({
      state,
      code,
      eventId: (id ?? "").slice(idPrefix.length),
      receivedAtMs: Date.parse(time ?? ""),
      keyId: Number(keyId ?? 0),
      category: category ?? "error",
    }));
  const known = await runOverRows<{ event_id: string }>(
    database,
    counted,
    letters.map(({ eventId, receivedAtMs }) => [projectId, eventId, receivedAtMs]),
  );
  const countedIds = new Set(known.map((row) => row.event_id));
  return letters.map(({ state, code, eventId, ...letter }) => ({
    ...letter,
    ...(state === "discarded"
      ? { outcome: "discarded" as const, reason: "deleted_by_operator" }
      : { outcome: "dead_lettered" as const, reason: code ?? "unknown" }),
    isCounted: countedIds.has(eventId),
  }));
}
