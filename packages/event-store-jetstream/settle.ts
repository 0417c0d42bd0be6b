import type { Delivery, ExtendResult, Lease, LeaseMark, SettleItem, SettleResult } from "@signalbox/event-store";
import { nakAfter } from "./consumer.js";
import { JetStreamLease } from "./lease.js";
import { deliverySubject } from "./names.js";
import type { JetStreamParts } from "./parts.js";
import { acknowledgement, encodeWire, messageIdOf, type Wire } from "./wire.js";

interface HeldItem extends SettleItem {
  readonly lease: JetStreamLease;
}

/** What is told the server about a lease once everything else is written. */
interface Answer {
  readonly lease: JetStreamLease;
  readonly payload: string | Uint8Array;
  /** It will not be handed out again. */
  readonly isOver: boolean;
  /** When it may be taken again. */
  readonly againAfterMs?: number;
}

/** Ends leases; one result for each item, in order. */
export async function settleLeases(
  items: readonly SettleItem[],
  parts: JetStreamParts,
  enqueue: (delivery: Delivery) => Promise<unknown>,
): Promise<SettleResult[]> {
  const nowMs = parts.clock.monotonicMs();
  const held = new Map<JetStreamLease, HeldItem>();
  for (const { lease, settlement } of items) {
    if (!(lease instanceof JetStreamLease) || lease.settling) continue;
    if (lease.isOver(nowMs)) lease.end();
    else {
      lease.settling = true;
      lease.comesBack = settlement.kind === "hand_back" || (settlement.kind === "retry" && lease.key !== null);
      held.set(lease, { lease, settlement });
    }
  }
  let answers: Answer[];
  try {
    answers = await write([...held.values()], parts, enqueue);
    await tell(answers, parts);
    await forgetNotes(held.values(), parts);
  } catch (error) {
    // Unknown then: the same call may be repeated.
    for (const lease of held.keys()) lease.settling = false;
    throw error;
  }
  for (const answer of answers) conclude(answer, parts);
  // The second settlement of one lease in a call finds it gone.
  return items.map(({ lease }) => (lease instanceof JetStreamLease && held.delete(lease) ? "settled" : "lease_lost"));
}

/** Everything that has to stand in the database or the stream before the server is told. */
async function write(
  items: readonly HeldItem[],
  parts: JetStreamParts,
  enqueue: (delivery: Delivery) => Promise<unknown>,
): Promise<Answer[]> {
  const { notes, locks, clock } = parts;
  const finished = items.filter(({ settlement: { kind } }) => kind === "done" || kind === "dead");
  const locked = finished.filter(({ lease }) => lease.wire.lock !== null).map(({ lease }) => lease);
  if (locked.length > 0) await locks.finished(locked, enqueue);
  const returned = items.filter(({ settlement: { kind } }) => kind === "hand_back").map(({ lease }) => lease);
  await notes.giveBack(returned);
  const answers: Answer[] = finished.map(({ lease }) => ({ lease, payload: acknowledgement, isOver: true }));
  for (const lease of returned) answers.push({ lease, payload: "-NAK", isOver: false, againAfterMs: 0 });
  for (const { lease, settlement } of items) {
    if (settlement.kind !== "retry") continue;
    const { dueAtMs, attempts, progress, body } = settlement;
    if (lease.key === null) {
      await writeRetry({ ...retried(lease), attempts, progress, body: body ?? lease.body, dueAtMs }, parts);
      answers.push({ lease, payload: acknowledgement, isOver: false });
    } else {
      await notes.retryInPlace(lease, { dueAtMs, attempts, progress, body });
      const delayMs = Math.max(1, dueAtMs - clock.nowMs());
      answers.push({ lease, payload: nakAfter(delayMs), isOver: false, againAfterMs: delayMs });
    }
  }
  return answers;
}

/** The message of the next round: without a key nothing holds it to its place. */
function retried({ wire, crashes, crashesAlone }: JetStreamLease): Wire {
  return { ...wire, round: wire.round + 1, crashes, crashesAlone, bodyApart: false };
}

/** It waits in the database, or goes right back into the stream. Repeatable: the round is part of its id. */
async function writeRetry(wire: Wire, parts: JetStreamParts): Promise<void> {
  const { clock, schedule } = parts;
  if (wire.dueAtMs > clock.nowMs()) await schedule.enqueue([scheduledOf(wire)]);
  else await publishWire(wire, parts);
}

/** A message as a delivery of the schedule. */
export function scheduledOf(wire: Wire): Delivery {
  const { subscriber, subscription, eventType, dueAtMs } = wire;
  return {
    id: messageIdOf(wire),
    subscriber,
    subscription,
    eventType,
    body: encodeWire(wire),
    key: null,
    perKey: 1,
    dueAtMs,
    maxPending: null,
    dedup: null,
  };
}

/** Room for the line about the delivery and for headers. */
const headRoomBytes = 8_192;

/** Resolves when the stream has it. A body that is too large for a message goes to the database first. */
export async function publishWire(wire: Wire, parts: JetStreamParts): Promise<{ readonly duplicate: boolean }> {
  const { link, names, notes } = parts;
  const partition = parts.partitionOf(wire.key);
  const subject = deliverySubject(names, wire.subscriber, partition, wire.subscription);
  let payload = Buffer.from(encodeWire(wire));
  if (payload.byteLength > link.maxPayload - headRoomBytes) {
    const apart = { ...wire, bodyApart: true };
    await notes.announce([apart]);
    payload = Buffer.from(encodeWire(apart));
  } else if (wire.key !== null && wire.dueAtMs > parts.clock.nowMs()) await notes.announce([wire]);
  return link.publish(subject, messageIdOf(wire), payload);
}

/** The last answer to each consumer is confirmed: the server takes them in one after the other. */
async function tell(answers: readonly Pick<Answer, "lease" | "payload">[], { link }: JetStreamParts): Promise<void> {
  const last = new Map<string, Pick<Answer, "lease" | "payload">>();
  let consumer = "";
  let of: JetStreamLease | undefined;
  for (const answer of answers) {
    const { lease } = answer;
    const { holder, partition } = lease;
    // Most of a batch is of one consumer.
    if (of?.holder !== holder || of.partition !== partition) consumer = `${holder.subscriber}/${partition}`;
    of = lease;
    const before = last.get(consumer);
    if (before) link.send(before.lease.ackSubject, before.payload);
    last.set(consumer, answer);
  }
  await Promise.all([...last.values()].map(({ lease, payload }) => link.confirm(lease.ackSubject, payload)));
}

/** A message that is gone needs none; one that comes back does. */
async function forgetNotes(items: Iterable<HeldItem>, { notes }: JetStreamParts): Promise<void> {
  const gone: string[] = [];
  for (const { lease, settlement } of items) {
    const isGone = settlement.kind === "retry" ? lease.key === null : settlement.kind !== "hand_back";
    if (lease.noted && isGone) gone.push(lease.messageId);
  }
  await notes.remove(gone);
}

function conclude({ lease, isOver, againAfterMs }: Answer, { bounds, clock, settled, wake }: JetStreamParts): void {
  const { partition, wire } = lease;
  lease.end();
  if (isOver) bounds.uncount(wire.subscription);
  if (againAfterMs === undefined) settled.add(lease.streamSeq, lease.messageId);
  if (againAfterMs === undefined) {
    // The next one of the partition may go.
    if (wire.key !== null) lease.holder.wakePartition(partition);
  } else if (againAfterMs === 0) wake(wire.subscriber, partition);
  else clock.setTimer(againAfterMs + 2, () => wake(wire.subscriber, partition));
}

/** Moves deadlines; one result for each lease, in order. */
export async function extendLeases(
  leases: readonly Lease[],
  mark: LeaseMark | undefined,
  parts: JetStreamParts,
): Promise<ExtendResult[]> {
  const nowMs = parts.clock.monotonicMs();
  const held = leases.filter((lease) => lease instanceof JetStreamLease).filter((lease) => !lease.isOver(nowMs));
  if (mark) {
    await parts.notes.mark(held, mark);
    for (const lease of held) lease.noted = true;
  }
  const alive = held.filter((lease) => !lease.settling).map((lease) => ({ lease, payload: "+WPI" }));
  await tell(alive, parts);
  for (const lease of held) lease.prolong(nowMs);
  const extended = new Set<Lease>(held);
  return leases.map((lease) => {
    if (extended.has(lease)) return "extended";
    if (lease instanceof JetStreamLease) lease.end();
    return "lease_lost";
  });
}
