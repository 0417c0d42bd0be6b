import { createHash } from "node:crypto";
import { type Delivery, EventStoreError } from "@signalbox/event-store";

/** What is known of a delivery when it becomes a job, and never changes. Absent values are left out. */
export interface JobHeader {
  /** Of the job. */
  readonly id: string;
  readonly deliveryId: string;
  readonly queue: string;
  readonly subscription: string;
  readonly type: string;
  readonly key?: string | undefined;
  readonly perKey?: number | undefined;
  readonly due?: number | undefined;
  readonly first: number;
  /** Bytes that count towards the bound of the subscription. */
  readonly bytes?: number | undefined;
  readonly maxCount?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly lock?: string | undefined;
  readonly lockTtl?: number | undefined;
  /** The lock ends when the job starts, not when it is over. */
  readonly untilStart?: true | undefined;
  /** A duplicate runs once more afterwards. */
  readonly again?: true | undefined;
  readonly outbox?: true | undefined;
}

export function headerOf(delivery: Delivery, nowMs: number): JobHeader {
  const { id, subscriber, subscription, eventType, key, perKey, dueAtMs, maxPending, dedup, body } = delivery;
  const isExecuted = dedup?.until === "executed";
  return {
    id: jobIdOf(id),
    deliveryId: id,
    queue: queueName(subscriber),
    subscription,
    type: eventType,
    key: key ?? undefined,
    perKey: key === null ? undefined : perKey,
    due: dueAtMs || undefined,
    first: dueAtMs || nowMs,
    bytes: maxPending ? Buffer.byteLength(body) : undefined,
    maxCount: maxPending?.count,
    maxBytes: maxPending?.bytes,
    lock: dedup?.lock,
    lockTtl: dedup?.ttlMs,
    untilStart: dedup && !isExecuted ? true : undefined,
    // While the holder has not started, its run covers the duplicate.
    again: isExecuted && dedup.ifDuplicate === "reschedule_once" ? true : undefined,
    outbox: delivery.outbox ? true : undefined,
  };
}

/** `undefined` for a text that this package did not write. */
export function readHeader(text: string): JobHeader | undefined {
  try {
    const header: unknown = JSON.parse(text);
    return isHeader(header) ? header : undefined;
  } catch {
    return undefined;
  }
}

function isHeader(value: unknown): value is JobHeader {
  if (typeof value !== "object" || value === null) return false;
  // Of the right kind where they are there: what they say is nobody else's business.
  const { deliveryId, queue, subscription, type, first, key } = value as Readonly<Record<string, unknown>>;
  return (
    [deliveryId, queue, subscription, type].every((name) => typeof name === "string") &&
    typeof first === "number" &&
    (key === undefined || typeof key === "string")
  );
}

/** Ids of deliveries may hold anything, those of jobs no colon; equal ids make equal job ids. */
export function jobIdOf(deliveryId: string): string {
  return createHash("sha256").update(deliveryId).digest("base64url").slice(0, 22);
}

const queueNamePattern = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/;

/** @throws {EventStoreError} when the name could mean something to Redis or BullMQ. */
export function queueName(subscriber: string): string {
  if (queueNamePattern.test(subscriber)) return subscriber;
  throw new EventStoreError("EVT_CONFIG_INVALID", {
    message: `${JSON.stringify(subscriber)} is no name of a queue: lower-case words joined by dots are expected`,
    details: { option: "subscriber" },
  });
}
