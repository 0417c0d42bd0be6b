import type { ActivityPeriod, ProducerActivity } from "./activity.js";
import type { CounterKey } from "./counters.js";
import type { ExperienceError } from "./errors.js";
import type { OutboxRecord } from "./outbox.js";
import type { Checkpoint, Run, RunIdentity, TimelineEntry } from "./run.js";
import type { Expiry, Rejection, Transition } from "./transition.js";

/**
 * The state of all runs. Any number of processes share one store and call it concurrently.
 *
 * One atomic step per checkpoint and per expiry: run, timeline, index of what is due, counters and outbox record are
 * all written or none of them, also when the process or the server is killed. What a call has resolved is durable.
 * Steps of one run happen one after the other; the rules are those of `advance` and `expire` with the store's clock.
 *
 * Every method rejects with an `ExperienceError`: `state_store_unavailable` when the store does not answer,
 * `backlog_full` when too many calls wait. Both are worth repeating.
 */
export interface ExperienceStore {
  /**
   * Applies checkpoints; those of one run in the order given. One result for each, in the same order. An item that the
   * store could not write has `failed`; the others stand. Repeating is safe: the event key tells.
   */
  apply(checkpoints: readonly Checkpoint[]): Promise<readonly ApplyResult[]>;

  /**
   * Closes up to `limit` runs that are overdue, most overdue first. The claim is the transition itself: two callers
   * never close the same run. A record that cannot be judged is in `failed` and stays as it is.
   */
  claimDue(limit: number): Promise<ClaimResult>;

  /** The moment after which the next run is overdue, on the store's clock; `undefined` when none is open. */
  nextDue(): Promise<number | undefined>;

  /** Lets the reaper leave a record alone until then. Its deadline stays. */
  putAside(identity: RunIdentity, untilMs: number): Promise<void>;

  get(identity: RunIdentity): Promise<StoredRun | undefined>;

  /**
   * Runs that are open or orphans, nearest due first; with `decidedAfterMs` the final ones decided after it instead,
   * latest decision first. A walk with cursors shows every run that does not change exactly once. A page may hold less
   * than `limit` and still have a `next`.
   */
  list(filter: RunFilter, page: { readonly limit: number; readonly after?: ListCursor | undefined }): Promise<RunPage>;

  /** All counters at their absolute values, over all processes. */
  counters(): Promise<ReadonlyMap<CounterKey, number>>;

  /**
   * The oldest records that are not acknowledged, in the order of their steps. Nobody else gets them meanwhile; those
   * of a process that died are handed out again after 30 s. While somebody has records of a run in hand, nobody gets later
   * ones of it.
   */
  takeOutbox(limit: number): Promise<readonly OutboxItem[]>;

  /** Forgets records that were published. */
  ackOutbox(ids: readonly string[]): Promise<void>;

  /**
   * Says that this process takes checkpoints. When nobody has said so for more than 15 s, that was a gap: it is
   * remembered, and nothing expires until the producers had time to send what they kept.
   */
  heartbeat(beat: Heartbeat): Promise<HeartbeatResult>;

  /** Gaps of the measurement that began or ended after `sinceMs`, oldest first. One that goes on has lasted until now. */
  gaps(sinceMs: number): Promise<readonly Gap[]>;

  /**
   * Remembers that a producer is or was silent, under tenant, producer and beginning. Resolves with whether that is news:
   * it was not known, or it went on and has ended. Of several callers only one hears that it is.
   */
  recordSilence(gap: SilenceGap): Promise<boolean>;

  /**
   * Adds to what producers have sent, over all processes. Each `fromMs` begins five minutes; the hours are added to as well.
   * A repetition is added again.
   */
  addActivity(activity: readonly ProducerActivity[]): Promise<void>;

  /** What producers have sent in the periods that began at `sinceMs` or later, as far back as they are kept; in any order. */
  activity(period: ActivityPeriod, sinceMs: number): Promise<readonly ProducerActivity[]>;

  /** @throws {ExperienceError} when the store cannot take checkpoints now */
  health(): Promise<StoreHealth>;

  /** Lets calls under way finish. A second call joins the first. */
  close(): Promise<void>;
}

export type ApplyResult =
  | (Pick<Transition, "result" | "run" | "answer" | "anomalies"> & {
      /** Records that wait in the outbox because of it; 0 where the step itself publishes. */
      readonly outboxed: number;
    })
  | Rejection
  | { readonly result: "failed"; readonly error: ExperienceError };

export interface ClaimResult {
  readonly decided: readonly Expiry["run"][];
  readonly failed: readonly { readonly identity: RunIdentity; readonly error: unknown }[];
  /** Whether more may be overdue. */
  readonly more: boolean;
}

export interface StoredRun {
  readonly run: Run;
  /** In the order of arrival. */
  readonly timeline: readonly TimelineEntry[];
}

export interface RunFilter {
  readonly tenant: string;
  readonly experienceIds?: readonly string[];
  /** States among those that the listing is about. */
  readonly states?: readonly Run["state"][];
  /** With it: final runs. */
  readonly decidedAfterMs?: number;
  /** Anything else; called with every run that fits so far. */
  readonly matches?: (run: Run) => boolean;
}

/** Where a listing goes on: behind this one. */
export interface ListCursor {
  readonly atMs: number;
  readonly key: string;
}

export interface RunPage {
  readonly runs: readonly Run[];
  readonly next: ListCursor | undefined;
}

export interface OutboxItem {
  readonly id: string;
  readonly record: OutboxRecord;
}

export interface Heartbeat {
  readonly replica: string;
  /** Why a gap before this beat was one, as far as the process knows. */
  readonly reason: OutageReason;
  /**
   * How long ago this process was heard when it sent the beat; absent: never before. It was there until then, so that a gap
   * which grew while the beat waited to be written is the store's.
   */
  readonly silentMs?: number;
}

export type OutageReason = "tracker_down" | "store_down";

/** A time in which checkpoints could not arrive, or those of one producer did not. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: OutageReason | "producer_silent";
  /** Who found it. */
  readonly replica: string;
  /** With `producer_silent`: whose checkpoints are missing. Those of others have arrived. */
  readonly silence?: Silence;
}

export interface Silence {
  readonly tenant: string;
  readonly producer: string;
  /** Types that it sends. */
  readonly types: readonly string[];
  /** Whether it is silent still. */
  readonly goesOn: boolean;
}

export type SilenceGap = Gap & { readonly reason: "producer_silent"; readonly silence: Silence };

export interface HeartbeatResult {
  readonly gap: Gap | undefined;
  /** Replicas that said so within the last 15 s, this one included. */
  readonly alive: readonly string[];
}

export interface StoreHealth {
  readonly nowMs: number;
  /** Records that wait for being published. */
  readonly outboxRecords: number;
  readonly outboxOldestAtMs: number | undefined;
  /** Due time of the run that is overdue longest, or next; quarantined ones aside. */
  readonly nextDueMs: number | undefined;
  /** What an operator should know, in plain words. */
  readonly warnings: readonly string[];
}

/** How long nobody may be alive before it is a gap. */
export const gapAfterMs = 15_000;

/** How long records that were handed out wait for their acknowledgement. */
export const outboxLeaseMs = 30_000;
