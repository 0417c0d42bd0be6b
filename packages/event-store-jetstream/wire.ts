import type { Delivery, Lease } from "@signalbox/event-store";
import type { SubjectParts } from "./names.js";

/** A delivery as it stands in the stream, or waits in the database for its time. */
export interface Wire {
  readonly id: string;
  readonly subscriber: string;
  readonly subscription: string;
  readonly eventType: string;
  readonly key: string | null;
  readonly dueAtMs: number;
  readonly firstDueAtMs: number;
  /** How often it was written anew: each retry of a delivery without a key is another message. */
  readonly round: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly crashesAlone: number;
  readonly progress: string | null;
  /** `executing:<lock>` or `executed:<lock>` when it holds a deduplication lock. */
  readonly lock: string | null;
  /** True when the body is too large for a message and stands in the database. */
  readonly bodyApart: boolean;
  readonly outbox: boolean;
  readonly body: string;
  /** Why it is no delivery. */
  readonly unreadable?: string;
}

/** In front of every message: tells it from a bare envelope, and later layouts from this one. */
const version = 1;

type Head = [
  version: typeof version,
  id: string,
  subscriber: string,
  subscription: string,
  eventType: string,
  key: string | null,
  dueAtMs: number,
  firstDueAtMs: number,
  round: number,
  attempts: number,
  crashes: number,
  crashesAlone: number,
  progress: string | null,
  lock: string | null,
  flags: number,
];

const bodyApartFlag = 1;
const outboxFlag = 2;

export function wireOf(delivery: Delivery, nowMs: number): Wire {
  const { id, subscriber, subscription, eventType, key, dedup, body } = delivery;
  const dueAtMs = delivery.dueAtMs || nowMs;
  return {
    id,
    subscriber,
    subscription,
    eventType,
    key,
    dueAtMs,
    firstDueAtMs: dueAtMs,
    round: 0,
    attempts: 0,
    crashes: 0,
    crashesAlone: 0,
    progress: null,
    lock: dedup ? `${dedup.until}:${dedup.lock}` : null,
    bodyApart: false,
    outbox: delivery.outbox === true,
    body,
  };
}

/** Identifies one message: the delivery and its round. */
export function messageIdOf({ id, round }: Pick<Wire, "id" | "round">): string {
  return `${id}#${round}`;
}

/** One line about the delivery, then the body. */
export function encodeWire(wire: Wire): string {
  const head: Head = [
    version,
    wire.id,
    wire.subscriber,
    wire.subscription,
    wire.eventType,
    wire.key,
    wire.dueAtMs,
    wire.firstDueAtMs,
    wire.round,
    wire.attempts,
    wire.crashes,
    wire.crashesAlone,
    wire.progress,
    wire.lock,
    (wire.bodyApart ? bodyApartFlag : 0) | (wire.outbox ? outboxFlag : 0),
  ];
  return `${JSON.stringify(head)}\n${wire.bodyApart ? "" : wire.body}`;
}

/** `undefined` for a text that this package did not write. */
export function decodeWire(text: string): Wire | undefined {
  if (!text.startsWith(`[${version},`)) return undefined;
  const end = text.indexOf("\n");
  if (end < 0) return undefined;
  const head = readHead(text.slice(0, end));
  if (!head) return undefined;
  const [, id, subscriber, subscription, eventType, key, dueAtMs, firstDueAtMs, round, attempts, ...rest] = head;
  const [crashes, crashesAlone, progress, lock, flags] = rest;
  return {
    id,
    subscriber,
    subscription,
    eventType,
    key,
    dueAtMs,
    firstDueAtMs,
    round,
    attempts,
    crashes,
    crashesAlone,
    progress,
    lock,
    bodyApart: (flags & bodyApartFlag) !== 0,
    outbox: (flags & outboxFlag) !== 0,
    body: text.slice(end + 1),
  };
}

/** Nobody else is to write to the stream, and the version says which layout it is; but everybody could. */
function readHead(line: string): Head | undefined {
  try {
    const head: unknown = JSON.parse(line);
    return isHead(head) ? head : undefined;
  } catch {
    return undefined;
  }
}

function isHead(value: unknown): value is Head {
  if (!Array.isArray(value) || value.length !== 15) return false;
  for (let place = 1; place <= 4; place++) if (typeof value[place] !== "string") return false;
  for (let place = 6; place <= 11; place++) if (typeof value[place] !== "number") return false;
  const [key, progress, lock, flags] = [value[5], value[12], value[13], value[14]];
  for (const text of [key, progress, lock]) if (text !== null && typeof text !== "string") return false;
  return typeof flags === "number";
}

/** What can be told of a message that is no delivery: somebody else wrote it to a subject of ours. */
export function unreadableWire(subject: SubjectParts, messageId: string, text: string, nowMs: number): Wire {
  const { subscriber, subscription } = subject;
  const round = messageId.lastIndexOf("#");
  return {
    id: round < 0 ? `${messageId}.${subscription}` : messageId.slice(0, round),
    subscriber,
    subscription,
    eventType: subscription.slice(subscriber.length + 1),
    key: null,
    dueAtMs: nowMs,
    firstDueAtMs: nowMs,
    round: Math.max(0, Math.trunc(Number(messageId.slice(round + 1))) || 0),
    attempts: 0,
    crashes: 0,
    crashesAlone: 0,
    progress: null,
    lock: null,
    bodyApart: false,
    outbox: false,
    body: text,
    unreadable: "the message was written by something else",
  };
}

/** A delivery that the SQL transport left waiting in the same database, as this one would have written it. */
export function adoptLease(lease: Lease, subscriber: string): Wire {
  const { deliveryId, subscription, attempts, crashes, crashesAlone, progress, key, dueAtMs, firstDueAtMs, body } =
    lease;
  return {
    id: deliveryId,
    subscriber,
    subscription,
    eventType: subscription.slice(subscription.indexOf("/") + 1),
    key,
    dueAtMs,
    firstDueAtMs,
    round: 0,
    attempts,
    crashes,
    crashesAlone,
    progress,
    lock: null,
    bodyApart: false,
    outbox: false,
    body,
  };
}

/** What ends a message for good. As bytes, because there is one for each delivery. */
export const acknowledgement: Uint8Array = new TextEncoder().encode("+ACK");

/** Where a handed out message stands. */
export interface AckSubject {
  readonly streamSeq: number;
  /** How often the server has handed it out, this time included. */
  readonly delivered: number;
}

/** `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.…`, or with domain and account in front of the stream. */
export function readAckSubject(subject: string): AckSubject {
  // Every message of the stream passes here; splitting the whole subject takes several times as long.
  const starts = [0];
  for (let dot = subject.indexOf("."); dot >= 0; dot = subject.indexOf(".", dot + 1)) starts.push(dot + 1);
  const at = starts.length >= 11 ? 6 : 4;
  const token = (index: number): number => Number(subject.slice(starts[index], (starts[index + 1] ?? 0) - 1));
  return { delivered: token(at), streamSeq: token(at + 1) };
}

/** When the server took a message that it handed out, by its own clock: the subject goes on `….<consumer seq>.<nanoseconds>.…`. */
export function storedAtMs(ackSubject: string): number {
  const tokens = ackSubject.split(".");
  return Number(tokens[tokens.length >= 11 ? 9 : 7]) / 1_000_000;
}
