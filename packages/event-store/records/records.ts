import type { TransactionHandle } from "@signalbox/database";
import type { Transaction } from "kysely";

/** Why a delivery was given up. */
export type DeadReason = "exhausted" | "refused" | "crashed" | "invalid_event" | "unknown_event" | "condition_error";

export type DeadLetterState = "dead" | "replaying" | "resolved" | "discarded" | "expired";

/** An error as it is kept: never the object itself. */
export interface ErrorRecord {
  readonly class: string;
  readonly code: string | null;
  readonly message: string;
  /** At most 8 KiB. */
  readonly stack: string | null;
}

export interface AttemptRecord {
  /** RFC 3339. */
  readonly at: string;
  readonly durationMs: number;
  readonly error: ErrorRecord;
}

/** One event that one subscription will not get again without an operator. */
export interface DeadLetter {
  /** `<event id>.<subscription id>` */
  readonly id: string;
  readonly subscription: string;
  readonly eventType: string;
  /** The full envelope, JSON. */
  readonly event: string;
  readonly reason: DeadReason;
  readonly error: ErrorRecord;
  /** The last 10. */
  readonly attempts: readonly AttemptRecord[];
  readonly fingerprint: string;
  readonly correlationId: string;
  readonly firstFailedAtMs: number;
  readonly deadAtMs: number;
  readonly replayCount: number;
  readonly lastReplayedAtMs: number | null;
  readonly state: DeadLetterState;
  /** Why an operator discarded it. */
  readonly note: string | null;
}

/** A letter as it is first written; the rest belongs to the records. */
export type NewDeadLetter = Omit<DeadLetter, "replayCount" | "lastReplayedAtMs" | "state" | "note">;

export interface DeadLetterFilter {
  readonly ids?: readonly string[];
  /** Only letters whose event ids begin so. */
  readonly idPrefix?: string;
  readonly subscription?: string;
  readonly eventType?: string;
  readonly reason?: DeadReason;
  readonly state?: DeadLetterState;
  readonly fingerprint?: string;
  readonly correlationId?: string;
  /** Dead at or after this time. */
  readonly sinceMs?: number;
  /** Dead before this time. */
  readonly untilMs?: number;
  /** Part of the error message. */
  readonly text?: string;
}

/** Failures that look the same. */
export interface DeadLetterGroup {
  readonly fingerprint: string;
  readonly count: number;
  readonly firstDeadAtMs: number;
  readonly lastDeadAtMs: number;
  readonly sampleId: string;
  readonly subscriptions: readonly string[];
}

/** What letters are summed up by. */
export interface DeadLetterTally {
  readonly subscription: string;
  /** Only letters whose event ids begin so. */
  readonly idPrefix: string;
  /** Names on the way to a value in the envelope, such as `["data", "project_id"]`. */
  readonly places: readonly (readonly string[])[];
}

/** Letters that are alike in everything that they are summed up by. */
export interface DeadLetterSum {
  readonly state: DeadLetterState;
  /** Of the error that made them dead. */
  readonly code: string | null;
  /** In the order of the places, as texts; `null` where the envelope has nothing there. */
  readonly values: readonly (string | null)[];
  readonly count: number;
}

/** Where a list goes on: the last letter of the page before. */
export interface DeadLetterCursor {
  readonly deadAtMs: number;
  readonly id: string;
}

/**
 * What the store remembers about deliveries beside the transport. All calls may run concurrently.
 * What a call has resolved is as durable as the database behind it.
 * @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE` (worth retrying) when the database is away.
 */
export interface Records {
  /** True when other processes may write them, too, and crash in between. */
  readonly shared: boolean;
  readonly deadLetters: DeadLetterRecords;
  readonly pauses: PauseRecords;
  readonly blobs: BlobRecords;
  /**
   * Runs `work` in a transaction that also remembers subscription and event; `undefined`, without running, when they
   * were remembered before.
   * @throws {EventStoreError} `EVT_CONFIG_INVALID` without a database.
   */
  once<T, Tables>(
    subscription: string,
    eventId: string,
    work: (transaction: Transaction<Tables>) => Promise<T>,
  ): Promise<T | undefined>;
  /** Forgets what `once` has remembered before the time; resolves with how many, at most `limit`. */
  forgetOnce(beforeMs: number, limit: number): Promise<number>;
}

export interface DeadLetterRecords {
  /**
   * Writes letters; repeating one that is `dead` changes nothing, one that is `replaying` becomes `dead` again with the
   * new error. With `transaction` they are written when it commits.
   */
  write(letters: readonly NewDeadLetter[], transaction?: TransactionHandle): Promise<void>;
  /** Newest first. */
  list(filter: DeadLetterFilter, limit: number, after?: DeadLetterCursor): Promise<readonly DeadLetter[]>;
  get(id: string): Promise<DeadLetter | null>;
  /** Letters with one fingerprint are one group. Largest first. */
  groups(filter: DeadLetterFilter, limit: number): Promise<readonly DeadLetterGroup[]>;
  /** `dead` → `replaying` with a raised count. False when the letter is in another state. Of concurrent calls one wins. */
  beginReplay(id: string, nowMs: number): Promise<boolean>;
  /** `dead` → `discarded`. False when the letter is in another state. */
  discard(id: string, note: string): Promise<boolean>;
  /**
   * Leaves of a letter that is not `replaying` what names it: puts `event` in the place of its envelope and takes messages
   * and stacks of its errors away; `dead` → `discarded`, other states stay. False when nothing was changed.
   */
  forget(id: string, event: string, note: string): Promise<boolean>;
  /** Letters in state `replaying` since before the time. */
  replayingSince(beforeMs: number, limit: number): Promise<readonly DeadLetter[]>;
  /** `dead` → `expired` for what died before the time; resolves with the ids, at most `limit`. */
  expire(beforeMs: number, limit: number): Promise<readonly Pick<DeadLetter, "id" | "subscription">[]>;
  /** `replaying` → `resolved`. */
  resolve(ids: readonly string[]): Promise<void>;
  /** `replaying` → `dead`, the error as it was. */
  returnToDead(ids: readonly string[]): Promise<void>;
  /** Letters in state `dead` by subscription. */
  counts(): Promise<ReadonlyMap<string, number>>;
  /** In no order. Letters are kept for good, in their last state, so sums never lose one. */
  tally(by: DeadLetterTally): Promise<readonly DeadLetterSum[]>;
}

/** Which deliveries and dead letters refer to which blobs. */
export interface BlobRecords {
  /** Repeatable. With `transaction` the reference exists when it commits. */
  hold(blob: string, holder: string, transaction: TransactionHandle | undefined): Promise<void>;
  /** Takes back all references of a holder, or one; resolves with the blobs that nobody refers to any more. */
  release(holder: string, blob?: string): Promise<readonly string[]>;
  /** Those that nobody refers to. */
  unheld(blobs: readonly string[]): Promise<readonly string[]>;
}

export interface PauseRecords {
  set(subscriber: string, paused: boolean, nowMs: number): Promise<void>;
  list(): Promise<ReadonlySet<string>>;
}
