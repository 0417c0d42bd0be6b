import type { Database } from "@signalbox/database";
import type { DeadLetterSum, DeadLetters, Queues } from "@signalbox/event-store";
import { itemCategory } from "@signalbox/sentry-protocol";
import { eventReceived } from "../events/event-received.js";
import { itemCategories, itemReceived } from "../events/item-events.js";
import { overRows, runOverRows } from "../store/json-rows.js";

/** The part of the event store that tells what waits and what was given up. */
export interface QueueState {
  readonly queues: Pick<Queues, "get" | "countUnsettled">;
  readonly dead: Pick<DeadLetters, "tally">;
}

export const digestSubscriber = "error_tracking.digest";
export const itemsSubscriber = "error_tracking.items";
const eventSubscription = `${digestSubscriber}/${eventReceived.type}`;
const itemSubscription = `${itemsSubscriber}/${itemReceived.type}`;

/** What was accepted and has no outcome yet. */
export interface PendingEvents {
  readonly events: number;
  /** Messages of sessions, check-ins, feedback and attachments; how many of them one holds is known when it is read. */
  readonly messages: number;
  /** False: the transport cannot tell projects apart, so these are the events of all of them. */
  readonly isOfProject: boolean;
}

/**
 * How much of a project waits, as the transport says. Events that have their outcome already and whose rows are being
 * written are not among them.
 */
export async function countPending(database: Database, queue: QueueState, projectId: number): Promise<PendingEvents> {
  const { queues } = queue;
  const [ofProject, messages] = await Promise.all([
    queues.countUnsettled(digestSubscriber, `et:${projectId}:`),
    queues.countUnsettled(itemsSubscriber, `et:${projectId}:`),
  ]);
  if (ofProject === null || messages === null) {
    const [events, all] = await Promise.all([countAllPending(queues), countAllPending(queues, itemsSubscriber)]);
    return { events, messages: all, isOfProject: false };
  }
  const unwritten = await countUnwritten(database, queue, projectId);
  return { events: Math.max(0, ofProject - unwritten), messages, isOfProject: true };
}

export async function countAllPending(
  queues: Pick<Queues, "get">,
  subscriber: typeof digestSubscriber | typeof itemsSubscriber = digestSubscriber,
): Promise<number> {
  const depth = (await queues.get(subscriber))?.depth;
  return depth === undefined ? 0 : depth.ready + depth.scheduled + depth.running + depth.blocked;
}

/** Events of a project, or of all, that have an outcome and whose rows are still to be written: they are in the queue. */
export async function countUnwritten(database: Database, queue: QueueState, projectId?: number): Promise<number> {
  const { rows } = await database.run<{ n: number }>(
    `select count(*) as n from error_event_ids where state = 'counted' ${projectId === undefined ? "" : "and project_id = ?"}`,
    projectId === undefined ? [] : [projectId],
  );
  const counted = Number(rows[0]?.n);
  if (counted === 0) return 0;
  const givenUp = await findGivenUpEvents(database, queue, projectId);
  return counted - givenUp.filter(({ isUnwritten }) => isUnwritten).length;
}

/** Something that was given up, in the cell of the ledger that it belongs to. */
export interface GivenUp {
  /** 0 where the message is too large to say whose key it was. */
  readonly keyId: number;
  readonly category: string;
  readonly receivedAtMs: number;
  readonly outcome: "dead_lettered" | "discarded";
  readonly reason: string;
  readonly quantity: number;
  /** It was counted as stored before its rows were refused. */
  readonly isCounted: boolean;
}

/**
 * What of a project ended as dead letters. The letters themselves are counted: one that is replayed is none any more
 * from then on, and waits again instead.
 */
export async function findGivenUp(database: Database, queue: QueueState, projectId: number): Promise<GivenUp[]> {
  const [events, items] = await Promise.all([
    findGivenUpEvents(database, queue, projectId),
    findGivenUpItems(database, queue, projectId),
  ]);
  return [...events, ...items];
}

const countedEvents = overRows(`
  select known.project_id, known.event_id, known.state from $rows
  join error_event_ids as known on known.project_id = $int(0) and known.event_id = $1 and known.received_at_ms = $int(2)`);

async function findGivenUpEvents(
  database: Database,
  { dead }: QueueState,
  projectId?: number,
): Promise<(GivenUp & { readonly isUnwritten: boolean })[]> {
  const places = [["id"], ["time"], ["data", "key_id"], ["data", "category"]];
  const sums = await dead.tally({ subscription: eventSubscription, idPrefix: prefixOf(projectId), places });
  const letters = sums.flatMap((sum) => {
    const [id, time, keyId, category] = sum.values;
    const end = endOf(sum);
    return end === undefined ? [] : [{ id: id ?? "", ...cellOf(time, keyId), category: category ?? "error", ...end }];
  });
  const known = await runOverRows<{ project_id: number; event_id: string; state: string }>(
    database,
    countedEvents,
    letters.map(({ id, receivedAtMs }) => [...placeOf(id), receivedAtMs]),
  );
  const states = new Map(known.map((row) => [`${row.project_id}:${row.event_id}`, row.state]));
  return letters.map(({ id, ...letter }) => {
    const state = states.get(placeOf(id).join(":"));
    return { ...letter, quantity: 1, isCounted: state !== undefined, isUnwritten: state === "counted" };
  });
}

const knownMessages = overRows(`
  select known.message_id from $rows
  join error_item_messages as known on known.project_id = $int(0) and known.message_id = $1
    and (known.received_at_ms = $int(2) or known.repeated_at_ms = $int(2))`);

/** Sessions, check-ins, feedback and attachments; a message of them is counted as a whole, when it is stored. */
async function findGivenUpItems(database: Database, { dead }: QueueState, projectId: number): Promise<GivenUp[]> {
  const places = [["id"], ["time"], ["data", "key_id"], ...itemCategories.map((name) => ["data", "quantities", name])];
  const sums = await dead.tally({ subscription: itemSubscription, idPrefix: prefixOf(projectId), places });
  const ids = sums.map(({ values: [id, time] }) => [projectId, id ?? "", cellOf(time, null).receivedAtMs]);
  const known = await runOverRows<{ message_id: string }>(database, knownMessages, ids);
  const counted = new Set(known.map((row) => row.message_id));
  return sums.flatMap((sum) => {
    const [id, time, keyId, ...quantities] = sum.values;
    const end = endOf(sum);
    // What had its effect before it was given up has its outcome.
    if (end === undefined || counted.has(id ?? "")) return [];
    const cell = { ...cellOf(time, keyId), ...end, isCounted: false };
    const told = itemCategories.flatMap((category, index) => {
      const quantity = Number(quantities[index] ?? 0);
      return quantity > 0 ? [{ ...cell, category, quantity }] : [];
    });
    // A message too large to be looked into, or of before they were told, has at least one of what its id names.
    const category = itemCategory((id ?? "").split(":")[2] ?? "");
    return told.length > 0 || category === null ? told : [{ ...cell, category, quantity: 1 }];
  });
}

function prefixOf(projectId: number | undefined): string {
  return projectId === undefined ? "et:" : `et:${projectId}:`;
}

/** Project and event of an id `et:{project}:{event}`. */
function placeOf(id: string): [projectId: number, eventId: string] {
  const [, projectId, eventId = ""] = id.split(":");
  return [Number(projectId), eventId];
}

function cellOf(time: string | null | undefined, keyId: string | null | undefined) {
  return { receivedAtMs: Date.parse(time ?? ""), keyId: Number(keyId ?? 0) };
}

/** undefined: it is no dead letter any more. */
function endOf({ state, code }: DeadLetterSum): Pick<GivenUp, "outcome" | "reason"> | undefined {
  if (state === "resolved" || state === "replaying") return undefined;
  if (state === "discarded") return { outcome: "discarded", reason: "deleted_by_operator" };
  return { outcome: "dead_lettered", reason: code ?? "unknown" };
}
