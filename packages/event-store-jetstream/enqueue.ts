import type { Delivery, EnqueueResult } from "@signalbox/event-store";
import type { LockAnswer } from "./dedup.js";
import { deliverySubject } from "./names.js";
import type { JetStreamParts } from "./parts.js";
import { publishWire, scheduledOf } from "./settle.js";
import { messageIdOf, type Wire, wireOf } from "./wire.js";

/** A delivery that was let in, with its place in the call. */
interface Admitted {
  readonly place: number;
  readonly delivery: Delivery;
  readonly wire: Wire;
  readonly lock: LockAnswer | undefined;
}

/** Hands deliveries to the stream, or to the database when they are due later. Not atomic: a repetition completes it. */
export async function enqueueDeliveries(
  deliveries: readonly Delivery[],
  parts: JetStreamParts,
): Promise<EnqueueResult[]> {
  const [only] = deliveries;
  if (deliveries.length === 1 && only && isPlain(only)) return [await publishPlain(only, parts)];
  const { bounds } = parts;
  const results: EnqueueResult[] = deliveries.map(() => "enqueued");
  if (deliveries.some(({ maxPending }) => maxPending !== null)) await bounds.refresh(deliveries);
  const admitted = await admitAll(deliveries, results, parts);
  const nowMs = parts.clock.nowMs();
  const later = admitted.filter(({ wire }) => wire.key === null && wire.dueAtMs > nowMs);
  const now = later.length === 0 ? admitted : admitted.filter((one) => !later.includes(one));
  const conclude = ({ place, delivery }: Admitted, result: EnqueueResult): void => {
    results[place] = result;
    if (result !== "enqueued" && delivery.maxPending) bounds.uncount(delivery.subscription);
  };
  const outcomes = await Promise.allSettled([scheduleAll(later, conclude, parts), ...publishAll(now, conclude, parts)]);
  await settleLocks(admitted, results, outcomes, parts);
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed) {
    bounds.forgetFigures();
    throw failed.reason;
  }
  if (results.includes("full")) await tellRepeated(deliveries, results, parts);
  return results;
}

const scheduledRow = "select id from event_deliveries where id = ?";

/** Whoever repeats what was accepted is told so, even if there is no room for another one. */
async function tellRepeated(
  deliveries: readonly Delivery[],
  results: EnqueueResult[],
  { link, names, partitionOf, database, clock }: JetStreamParts,
): Promise<void> {
  const isKnown = async (delivery: Delivery): Promise<boolean> => {
    const { subscriber, subscription, key } = delivery;
    const messageId = messageIdOf(wireOf(delivery, clock.nowMs()));
    // What is due later waits in the database, and is in the stream afterwards.
    const { rows } = await database.run(scheduledRow, [messageId]);
    if (rows.length > 0) return true;
    return link.isKnown(deliverySubject(names, subscriber, partitionOf(key), subscription), messageId);
  };
  const telling = deliveries.map(async (delivery, place) => {
    if (results[place] === "full" && (await isKnown(delivery))) results[place] = "duplicate";
  });
  await Promise.all(telling);
}

/** Nothing has to be asked, and it is due: most deliveries are such. */
function isPlain({ maxPending, dedup, dueAtMs }: Delivery): boolean {
  return maxPending === null && dedup === null && dueAtMs === 0;
}

async function publishPlain(delivery: Delivery, parts: JetStreamParts): Promise<EnqueueResult> {
  const { duplicate } = await publishWire(wireOf(delivery, parts.clock.nowMs()), parts);
  if (duplicate) return "duplicate";
  parts.wake(delivery.subscriber, parts.partitionOf(delivery.key));
  return "enqueued";
}

async function admitAll(
  deliveries: readonly Delivery[],
  results: EnqueueResult[],
  { bounds, clock, locks }: JetStreamParts,
): Promise<Admitted[]> {
  const nowMs = clock.nowMs();
  const admitted: Admitted[] = [];
  for (const [place, delivery] of deliveries.entries()) {
    if (!bounds.admit(delivery)) {
      results[place] = "full";
      continue;
    }
    const lock = delivery.dedup ? await locks.take(delivery, delivery.dedup) : undefined;
    if (lock === "held") {
      results[place] = "deduplicated";
      if (delivery.maxPending) bounds.uncount(delivery.subscription);
    } else admitted.push({ place, delivery, wire: wireOf(delivery, nowMs), lock });
  }
  return admitted;
}

type Conclude = (admitted: Admitted, result: EnqueueResult) => void;

async function scheduleAll(
  later: readonly Admitted[],
  conclude: Conclude,
  { schedule }: JetStreamParts,
): Promise<void> {
  if (later.length === 0) return;
  const rows = later.map(({ wire }) => scheduledOf(wire));
  const results = await schedule.enqueue(rows);
  for (const [index, one] of later.entries()) conclude(one, results[index] ?? "enqueued");
}

/** One after the other for each key, so that a failure leaves no gap in its order; all keys at once. */
function publishAll(now: readonly Admitted[], conclude: Conclude, parts: JetStreamParts): Promise<void>[] {
  const lastOfKey = new Map<string, Promise<void>>();
  return now.map((one) => {
    const { key, subscriber } = one.wire;
    if (key === null) return publishOne(one, conclude, parts);
    const queue = `${subscriber}/${key}`;
    const before = lastOfKey.get(queue);
    const published = before ? before.then(() => publishOne(one, conclude, parts)) : publishOne(one, conclude, parts);
    lastOfKey.set(queue, published);
    return published;
  });
}

async function publishOne(one: Admitted, conclude: Conclude, parts: JetStreamParts): Promise<void> {
  const { wire } = one;
  const { duplicate } = await publishWire(wire, parts);
  if (duplicate) conclude(one, "duplicate");
  else parts.wake(wire.subscriber, parts.partitionOf(wire.key));
}

/** A lock stays with a delivery that is there, and goes with one that is not. */
async function settleLocks(
  admitted: readonly Admitted[],
  results: readonly EnqueueResult[],
  outcomes: readonly PromiseSettledResult<void>[],
  { locks }: JetStreamParts,
): Promise<void> {
  const locked = admitted.filter(({ lock }) => lock !== undefined);
  if (locked.length === 0) return;
  const failed = outcomes.some(({ status }) => status === "rejected");
  for (const { delivery, lock, place } of locked) {
    if (!failed && results[place] === "enqueued" && delivery.dedup) await locks.confirm(delivery, delivery.dedup);
    else if (lock === "taken") await locks.release([delivery.id]);
  }
}
