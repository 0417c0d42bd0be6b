import type { ConsumeSpec, Delivery, Lease, LeaseMark, QueuedDelivery } from "./transport.js";

/** A delivery in memory, until it is settled for good. */
export interface Entry {
  readonly delivery: Delivery;
  readonly firstDueAtMs: number;
  /** Order of acceptance. */
  readonly sequence: number;
  state: "waiting" | "blocked" | "running" | "gone";
  body: string;
  dueAtMs: number;
  attempts: number;
  crashes: number;
  crashesAlone: number;
  progress: string | null;
  lease: MemoryLease | null;
}

/** The consumer that a delivery was handed to. */
export interface LeaseHolder {
  readonly spec: ConsumeSpec;
  inFlight: number;
}

export class MemoryLease implements Lease {
  readonly deliveryId: string;
  readonly subscription: string;
  readonly body: string;
  readonly key: string | null;
  readonly attempts: number;
  readonly crashes: number;
  readonly crashesAlone: number;
  readonly progress: string | null;
  readonly dueAtMs: number;
  readonly firstDueAtMs: number;
  readonly outbox: boolean;
  readonly entry: Entry;
  readonly holder: LeaseHolder;
  /** On the monotonic clock, which nobody sets. */
  deadlineMs: number;
  mark: LeaseMark | undefined;

  constructor(entry: Entry, holder: LeaseHolder, deadlineMs: number) {
    this.deliveryId = entry.delivery.id;
    this.subscription = entry.delivery.subscription;
    this.body = entry.body;
    this.key = entry.delivery.key;
    this.attempts = entry.attempts;
    this.crashes = entry.crashes;
    this.crashesAlone = entry.crashesAlone;
    this.progress = entry.progress;
    this.dueAtMs = entry.dueAtMs;
    this.firstDueAtMs = entry.firstDueAtMs;
    this.outbox = entry.delivery.outbox === true;
    this.entry = entry;
    this.holder = holder;
    this.deadlineMs = deadlineMs;
  }
}

export function isHeld(lease: Lease): lease is MemoryLease {
  return lease instanceof MemoryLease && lease.entry.lease === lease;
}

export function waitingState(entry: Entry, nowMs: number): "ready" | "scheduled" | "running" | "blocked" {
  if (entry.state === "running" || entry.state === "blocked") return entry.state;
  return entry.dueAtMs <= nowMs ? "ready" : "scheduled";
}

export function describe(entry: Entry, nowMs: number): QueuedDelivery {
  const { id, subscriber, subscription, eventType, key } = entry.delivery;
  const state = waitingState(entry, nowMs);
  return {
    id,
    subscriber,
    subscription,
    eventType,
    key,
    state: state === "running" ? "ready" : state,
    dueAtMs: entry.dueAtMs,
    attempts: entry.attempts,
    body: entry.body,
  };
}
