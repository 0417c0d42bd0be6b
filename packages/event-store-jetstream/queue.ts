import type { StoredMsg } from "@nats-io/jetstream";
import type { QueueDepth, QueuedDelivery, QueueFilter } from "@signalbox/event-store";
import { durableName, freePartition, readSubject, streamSubjects, subjectsOf } from "./names.js";
import type { Note } from "./notes.js";
import type { JetStreamParts } from "./parts.js";
import { readMessage } from "./read-message.js";
import { findConsumer } from "./source.js";
import { countBySubject } from "./stream.js";
import { decodeWire, messageIdOf, type Wire } from "./wire.js";

// What operators see of the queue and do to it; none of it is on the way of a delivery.

/** One partition of a subscriber as the server sees it. */
interface PartitionState {
  readonly partition: string;
  /** Messages in the stream, handed out or not. */
  readonly messages: number;
  readonly ackPending: number;
  readonly maxAckPending: number;
  /** Everything up to here has been handed out before. */
  readonly deliveredSeq: number;
}

export async function queueDepth(subscriber: string, parts: JetStreamParts): Promise<QueueDepth> {
  const { clock, notes, schedule } = parts;
  const [scheduled, partitions, waiting] = await Promise.all([
    schedule.depth(subscriber),
    partitionStates(subscriber, parts),
    notes.waiting(subscriber),
  ]);
  const nowMs = clock.nowMs();
  const depth = { ready: scheduled.ready + scheduled.running, scheduled: scheduled.scheduled, running: 0, blocked: 0 };
  const oldest: number[] = scheduled.oldestReadyMs === null ? [] : [scheduled.oldestReadyMs];
  for (const state of partitions) {
    const pending = state.messages - state.ackPending;
    const free = state.partition === freePartition ? pending : Math.max(0, state.maxAckPending - state.ackPending);
    const ready = Math.min(pending, free);
    depth.running += state.ackPending;
    depth.ready += ready;
    depth.blocked += pending - ready;
    if (ready > 0) oldest.push(await firstDueMs(subscriber, state, parts));
  }
  // The server counts as handed out, or as ready, what nobody has.
  for (const note of waiting) {
    if (note.delivered) depth.running--;
    else depth.ready--;
    if (note.dueAtMs > nowMs) depth.scheduled++;
    else {
      depth.ready++;
      oldest.push(note.dueAtMs);
    }
  }
  const oldestReadyMs = depth.ready > 0 && oldest.length > 0 ? Math.min(...oldest) : null;
  return { ...depth, running: Math.max(0, depth.running), ready: Math.max(0, depth.ready), oldestReadyMs };
}

export async function peekQueue(
  filter: QueueFilter,
  limit: number,
  parts: JetStreamParts,
): Promise<readonly QueuedDelivery[]> {
  const found: QueuedDelivery[] = [];
  const scheduled = await parts.schedule.peek(filter, limit);
  const nowMs = parts.clock.nowMs();
  for (const row of scheduled) {
    const wire = decodeWire(row.body);
    found.push(wire ? toQueued(wire, undefined, "scheduled", nowMs) : row);
  }
  for await (const { wire, note, state } of waitingMessages(filter, parts)) {
    if (found.length >= limit) break;
    found.push(toQueued(wire, note, state, nowMs));
  }
  return found.slice(0, limit);
}

/** Deletes what waits, message by message: the server would also delete what runs. */
export async function removeFromQueue(filter: QueueFilter, parts: JetStreamParts): Promise<number> {
  const { link, names, notes, locks, bounds, schedule, wake } = parts;
  let removed = await schedule.remove(filter);
  const forgotten: string[] = [];
  const unlocked: string[] = [];
  for await (const { wire, seq, partition } of waitingMessages(filter, parts)) {
    if (!(await link.manager.streams.deleteMessage(names.stream, seq, false))) continue;
    removed++;
    forgotten.push(messageIdOf(wire));
    if (wire.lock !== null) unlocked.push(wire.id);
    wake(wire.subscriber, partition);
  }
  await notes.remove(forgotten);
  await locks.release(unlocked);
  bounds.forgetFigures();
  return removed;
}

export async function unsettledIds(ids: readonly string[], parts: JetStreamParts): Promise<string[]> {
  if (ids.length === 0) return [];
  const wanted = new Set(ids);
  const found = new Set<string>();
  const [rows] = await parts.database.batch([
    {
      // Rounds stand behind the id; only what waits is looked at.
      sql: `select id from event_deliveries where available_at_ms is not null and substr(id, 1, length(?)) = ?`,
      rows: ids.map((id) => [`${id}#`, `${id}#`]),
    },
  ]);
  for (const row of rows?.rows ?? []) {
    const id = String(row["id"]);
    found.add(id.slice(0, id.lastIndexOf("#")));
  }
  if (found.size < wanted.size) {
    for await (const { message } of messages(streamSubjects(parts.names), 0, parts)) {
      const wire = readMessage(message, () => message.seq, parts);
      if (wire && wanted.has(wire.id)) found.add(wire.id);
      if (found.size === wanted.size) break;
    }
  }
  return [...found];
}

export async function subscribersInQueue(parts: JetStreamParts): Promise<readonly string[]> {
  const { link, names, schedule } = parts;
  const [scheduled, counts] = await Promise.all([
    schedule.subscribers(),
    countBySubject(link, names, streamSubjects(names)),
  ]);
  const inStream = [...counts.keys()].flatMap((subject) => readSubject(names, subject)?.subscriber ?? []);
  return [...new Set([...scheduled, ...inStream])];
}

interface WaitingMessage {
  readonly seq: number;
  readonly partition: string;
  readonly wire: Wire;
  readonly note: Note | undefined;
  readonly state: QueuedDelivery["state"];
}

/** Messages that nobody has. */
async function* waitingMessages(filter: QueueFilter, parts: JetStreamParts): AsyncGenerator<WaitingMessage> {
  const subscribers = filter.subscriber === undefined ? await subscribersInQueue(parts) : [filter.subscriber];
  for (const subscriber of subscribers) {
    const notes = await parts.notes.waiting(subscriber);
    const byMessage = new Map(notes.map((note) => [note.messageId, note]));
    for (const { streamSeq, delivered } of notes) {
      if (!delivered || streamSeq === null) continue;
      const message = await parts.link.manager.direct.getMessage(parts.names.stream, { seq: streamSeq });
      const one = message && toWaiting(message, byMessage, false, parts);
      if (one && matches(one, filter)) yield one;
    }
    for (const state of await partitionStates(subscriber, parts)) {
      const isFree = state.partition === freePartition;
      let free = isFree ? Number.POSITIVE_INFINITY : state.maxAckPending - state.ackPending;
      const subjects = subjectsOf(parts.names, subscriber, state.partition);
      for await (const { message } of messages(subjects, state.deliveredSeq, parts)) {
        const one = toWaiting(message, byMessage, free-- <= 0, parts);
        if (one && matches(one, filter)) yield one;
      }
    }
  }
}

function matches({ wire }: WaitingMessage, { eventType }: QueueFilter): boolean {
  return eventType === undefined || wire.eventType === eventType;
}

function toWaiting(
  message: StoredMsg,
  notes: ReadonlyMap<string, Note>,
  isBlocked: boolean,
  parts: JetStreamParts,
): WaitingMessage | undefined {
  const wire = readMessage(message, () => message.seq, parts);
  const subject = readSubject(parts.names, message.subject);
  if (!wire || !subject) return undefined;
  const note = notes.get(messageIdOf(wire));
  const isLater = (note?.dueAtMs ?? wire.dueAtMs) > parts.clock.nowMs();
  const state = isBlocked ? "blocked" : isLater ? "scheduled" : "ready";
  return { seq: message.seq, partition: subject.partition, wire, note, state };
}

function toQueued(wire: Wire, note: Note | undefined, state: QueuedDelivery["state"], nowMs: number): QueuedDelivery {
  const { id, subscriber, subscription, eventType, key } = wire;
  const dueAtMs = note?.dueAtMs ?? wire.dueAtMs;
  return {
    id,
    subscriber,
    subscription,
    eventType,
    key,
    state: state === "scheduled" && dueAtMs <= nowMs ? "ready" : state,
    dueAtMs,
    attempts: note?.attempts ?? wire.attempts,
    body: note?.body ?? wire.body,
  };
}

async function partitionStates(subscriber: string, { link, names }: JetStreamParts): Promise<PartitionState[]> {
  const counts = await countBySubject(link, names, subjectsOf(names, subscriber));
  const messages = new Map<string, number>();
  for (const [subject, count] of counts) {
    const partition = readSubject(names, subject)?.partition;
    if (partition !== undefined) messages.set(partition, (messages.get(partition) ?? 0) + count);
  }
  return Promise.all(
    [...messages].map(async ([partition, count]) => {
      const consumer = await findConsumer(link, names, durableName(subscriber, partition));
      return {
        partition,
        messages: count,
        ackPending: Math.min(count, consumer?.num_ack_pending ?? 0),
        maxAckPending: consumer?.config.max_ack_pending ?? 1,
        deliveredSeq: consumer?.delivered.stream_seq ?? 0,
      };
    }),
  );
}

async function firstDueMs(subscriber: string, state: PartitionState, parts: JetStreamParts): Promise<number> {
  const subjects = subjectsOf(parts.names, subscriber, state.partition);
  for await (const { message } of messages(subjects, state.deliveredSeq, parts))
    return decodeWire(message.string())?.dueAtMs ?? message.time.getTime();
  return parts.clock.nowMs();
}

/** Messages of the subjects after a sequence number, oldest first. */
export async function* messages(
  subjects: string,
  afterSeq: number,
  { link, names }: JetStreamParts,
): AsyncGenerator<{ readonly message: StoredMsg }> {
  for (let seq = afterSeq + 1; ; ) {
    const message = await link.manager.direct.getMessage(names.stream, { seq, next_by_subj: subjects });
    if (!message) return;
    yield { message };
    seq = message.seq + 1;
  }
}
