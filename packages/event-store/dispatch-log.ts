import type { Decision } from "./dispatch.js";

export type SettlementKind = "done" | "retried" | "dead" | "discarded" | "handed_back" | "lease_lost";

/** One publish of one event: what became of it for each subscription. The lists run in parallel. */
export interface DispatchRecord {
  readonly eventId: string;
  readonly eventType: string;
  readonly subject: string;
  readonly correlationId: string;
  readonly causationId: string | null;
  readonly rootCaller: string | null;
  readonly publishedAtMs: number;
  readonly subscriptions: readonly string[];
  readonly decisions: readonly Decision[];
  /** How long each condition took, microseconds. */
  readonly conditionUs: readonly number[];
  /** 0 where nothing was scheduled. */
  readonly dueAtMs: readonly number[];
  /** Empty where nothing was dispatched. Events of one group share a delivery. */
  readonly deliveryIds: readonly string[];
}

/** One attempt to handle one event for one subscription. */
export interface HandlingRecord {
  readonly eventId: string;
  readonly eventType: string;
  readonly subscription: string;
  readonly deliveryId: string;
  readonly correlationId: string;
  readonly attempt: number;
  readonly settlement: SettlementKind;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly schedulingLatencyMs: number;
  readonly durationMs: number;
  readonly errorClass: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** The handler said that the event did not concern it. */
  readonly ignored: boolean;
}

/**
 * Keeps the history of publishing and handling. Both calls return at once, never throw and never hold anything up: a
 * log that cannot keep pace forgets its oldest rows.
 */
export interface DispatchLog {
  dispatched(record: DispatchRecord): void;
  handled(record: HandlingRecord): void;
  /** Resolves when what was given so far is written, or given up. */
  flush(): Promise<void>;
  /** Reads back what was logged; absent in a log that only writes. */
  readonly history?: DispatchHistory;
}

/** What a log knows of some events. */
export interface LoggedEvents {
  readonly dispatches: readonly DispatchRecord[];
  /** Oldest first. */
  readonly attempts: readonly HandlingRecord[];
}

/**
 * The log as it can be read: what was given to this process is there at once, what other processes were given when they
 * have written it. @throws an error that is `retryable` while the store of the log is away.
 */
export interface DispatchHistory {
  /** Everything about these events. */
  find(eventIds: readonly string[]): Promise<LoggedEvents>;
  /** Publishes that happened while one of these events was handled; oldest first, at most `limit`. */
  causedBy(eventIds: readonly string[], limit: number): Promise<readonly DispatchRecord[]>;
}
