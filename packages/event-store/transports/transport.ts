import type { Database, TransactionHandle } from "@signalbox/database";

/** A deduplication lock that a delivery takes when it is enqueued. */
export interface DedupLock {
  /** What is locked; one name space over all subscriptions. */
  readonly lock: string;
  readonly until: "executing" | "executed";
  readonly ttlMs: number;
  readonly ifDuplicate: "drop" | "reschedule_once";
}

/** One unit of work for one subscription, as it is handed to a transport. */
export interface Delivery {
  /** Unique for ever: repeating an enqueue with the same id has no effect within the repetition window. */
  readonly id: string;
  /** The queue. One subscriber may have several subscriptions. */
  readonly subscriber: string;
  readonly subscription: string;
  readonly eventType: string;
  /** JSON text: one envelope, or a list of them for a group. Never changed by the transport. */
  readonly body: string;
  /** Deliveries of one (subscriber, key) never overlap and keep the order in which they were accepted. */
  readonly key: string | null;
  /** How many deliveries of its key may run at once. */
  readonly perKey: number;
  /** Not handed out before this wall clock time, milliseconds; 0 means at once. */
  readonly dueAtMs: number;
  /** Limits on what may wait for this subscription. */
  readonly maxPending: { readonly count?: number; readonly bytes?: number } | null;
  readonly dedup: DedupLock | null;
  /** It comes through the outbox: the lease says so again, because it may come twice. */
  readonly outbox?: boolean;
}

/**
 * `enqueued`: the transport has it. `duplicate`: the same id again, nothing was added. `deduplicated`: an equal
 * delivery holds the lock. `full`: this subscription's `maxPending` is reached, nothing was added; a repetition of what
 * was accepted is a `duplicate` all the same.
 */
export type EnqueueResult = "enqueued" | "duplicate" | "deduplicated" | "full";

/** A delivery that was handed out to this consumer until its deadline. */
export interface Lease {
  readonly deliveryId: string;
  readonly subscription: string;
  readonly body: string;
  readonly key: string | null;
  /** Counted failures before this attempt. */
  readonly attempts: number;
  /**
   * How often a lease ran out under which a handler may have begun, not counting those in `crashesAlone`: the first one in
   * any case, from then on those that were marked.
   */
  readonly crashes: number;
  /** How often a lease ran out after it was marked as running alone. */
  readonly crashesAlone: number;
  /** What the last `retry` left for the next attempt. */
  readonly progress: string | null;
  /** When it was to be handled, milliseconds. */
  readonly dueAtMs: number;
  /** When it was to be handled for the first time, milliseconds. */
  readonly firstDueAtMs: number;
  /** As it was enqueued. A transport that takes part in transactions need not carry it. */
  readonly outbox?: boolean;
  /**
   * Why what is stored is no delivery any more: somebody else wrote or changed it. Everything else says what is left of it,
   * as well as it can be told; `body` is all that there is to show. Such a delivery is handed out to be buried.
   */
  readonly unreadable?: string | undefined;
}

export type Settlement =
  /** Handled: never handed out again. */
  | { readonly kind: "done" }
  /** Given up: the caller has written a dead letter. Never handed out again; its key is free. */
  | { readonly kind: "dead" }
  /** To be handed out again at `dueAtMs`, with a new count of attempts, `progress` and, if given, a smaller body. */
  | {
      readonly kind: "retry";
      readonly dueAtMs: number;
      readonly attempts: number;
      readonly progress: string | null;
      readonly body?: string;
    }
  /** Not handled: available to others at once, as if it had never been handed out. */
  | { readonly kind: "hand_back" };

export interface SettleItem {
  readonly lease: Lease;
  readonly settlement: Settlement;
}

/** `lease_lost`: the deadline had passed and the delivery was offered again, or it was settled before; no effect. */
export type SettleResult = "settled" | "lease_lost";
export type ExtendResult = "extended" | "lease_lost";

/** What is remembered of a lease until it ends: its handler may begin, or may begin with nothing beside it in its process. */
export type LeaseMark = "begun" | "alone";

export interface ConsumeSpec {
  readonly subscriber: string;
  /** Most leases that this consumer may hold. */
  readonly maxInFlight: number;
  /** How long a lease lasts unless it is extended. */
  readonly leaseMs: number;
  /** Most deliveries at once over all consumers of the subscriber; `null`: no limit. */
  readonly maxTotal: number | null;
  /** Deliveries of one key at once. */
  readonly perKey: number;
  /** Token bucket shared by all consumers of the subscriber. */
  readonly rateLimit: { readonly max: number; readonly perMs: number } | null;
  /** How long deliveries that trickle in may gather before the first of them is looked at. Default: 0. */
  readonly gatherMs?: number;
  /** How many more deliveries are wanted now; asked before each look into the queue. */
  capacity(): number;
  /** Says that the rate limit holds up a delivery that is due; once until deliveries come again. */
  limited(): void;
  /** Asks the consumer not to wait for company any longer, because nothing more is coming. */
  hurry(): void;
}

export interface Consumer {
  /** Says that `capacity()` may have grown. Cheap; calls are merged. */
  wake(): void;
  /** No batch is handed out after this resolved. Leases stay valid until settled. Repeatable. */
  stop(): Promise<void>;
}

export interface QueueDepth {
  /** Due now, waiting for a consumer. */
  readonly ready: number;
  /** Due later: delayed and retrying ones. */
  readonly scheduled: number;
  readonly running: number;
  /** Waiting for an earlier one of the same key. */
  readonly blocked: number;
  /** Due time of the oldest ready delivery, `null` when none is ready. */
  readonly oldestReadyMs: number | null;
}

export interface QueueFilter {
  readonly subscriber?: string;
  readonly eventType?: string;
}

/** A delivery that waits. */
export interface QueuedDelivery {
  readonly id: string;
  readonly subscriber: string;
  readonly subscription: string;
  readonly eventType: string;
  readonly key: string | null;
  readonly state: "ready" | "scheduled" | "blocked";
  readonly dueAtMs: number;
  readonly attempts: number;
  readonly body: string;
}

/** Promises that an adapter may be excused from, visibly. */
export type TransportOptOut =
  /** Nothing survives the process. */
  | "durability"
  /** Other keys of the same partition may wait for a key. */
  | "key-isolation-exact"
  /** A clock that is set back delays the retries that wait by as much. */
  | "retries-follow-clock";

/**
 * Carries deliveries from publishers to consumers.
 *
 * Every call may be made concurrently. Before `open` and after `close` every call rejects with `EVT_CLOSED`.
 * Times are wall clock milliseconds of the clock that the transport was created with.
 */
export interface Transport {
  readonly name: string;
  readonly cannot: readonly TransportOptOut[];
  readonly keyIsolation: "exact" | "partition";
  /** What the engine calls its version; known once the transport is open, and absent where there is no engine. */
  readonly engineVersion?: string | undefined;
  /** The database whose transactions `enqueue` can join. */
  readonly database?: Database;
  /** True when records about deliveries (dead letters, pauses) need a database that the transport does not bring. */
  readonly needsDatabase: boolean;

  /**
   * Resolves when deliveries can be taken. Repeated calls are one call; a failed one may be repeated.
   * @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE` (worth retrying), `EVT_TRANSPORT_UNSUPPORTED`.
   */
  open(signal?: AbortSignal): Promise<void>;

  /** Stops consumers, lets calls under way finish, frees everything. Safe while busy; a second call joins the first. */
  close(): Promise<void>;

  /**
   * Resolves when all deliveries survive `kill -9` of this process and of the engine, with one result for each, in
   * order. Atomic: all or none, apart from those that were duplicates or found their subscription full. With
   * `transaction` they become real when it commits and never when it rolls back.
   * @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE` within 5 s when the engine is away, `EVT_TRANSPORT_FULL` when
   * the whole transport is (both worth retrying; nothing older is given up for it); `EVT_CLOSED`.
   */
  enqueue(
    deliveries: readonly Delivery[],
    options?: { readonly transaction?: TransactionHandle },
  ): Promise<readonly EnqueueResult[]>;

  /**
   * Hands out due deliveries of one subscriber, at most `capacity()` at once and never more than `maxInFlight`
   * unsettled ones. An idle consumer gets a new delivery within 100 ms in the same process, within 1 s across
   * processes. A delivery is never handed out early, and late by at most 1 s when idle. When the engine is away the
   * consumer reconnects by itself (100 ms to 10 s between tries).
   * `onBatch` must not throw; it is called on nobody else's stack.
   */
  consume(spec: ConsumeSpec, onBatch: (leases: readonly Lease[]) => void): Consumer;

  /**
   * Takes effect once for each lease, in order; one result for each. `done` and `dead` release the key.
   * @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE`: then unknown, and the same call may be repeated.
   */
  settle(items: readonly SettleItem[]): Promise<readonly SettleResult[]>;

  /**
   * Moves the deadlines to `leaseMs` from now. With `mark` it also remembers, durably, what begins now: a lease that runs out
   * then counts in `crashesAlone`, or in `crashes` however often others ran out before.
   */
  extend(leases: readonly Lease[], options?: { readonly mark?: LeaseMark }): Promise<readonly ExtendResult[]>;

  /** Exact to ±1 s. */
  depth(subscriber: string): Promise<QueueDepth>;

  /** How many deliveries of a subscriber, whose ids begin so, are not settled. Only where the engine can tell. */
  countUnsettled?(subscriber: string, idPrefix: string): Promise<number>;

  /** Waiting deliveries in no promised order, without taking them. */
  peek(filter: QueueFilter, limit: number): Promise<readonly QueuedDelivery[]>;

  /** Deletes waiting deliveries (not running ones) and returns how many. */
  remove(filter: QueueFilter): Promise<number>;

  /** Which of the deliveries are not settled yet: waiting, running or retrying. */
  unsettled(ids: readonly string[]): Promise<readonly string[]>;

  /** Subscribers with unsettled deliveries, whether or not anybody consumes them. */
  subscribers(): Promise<readonly string[]>;
}
