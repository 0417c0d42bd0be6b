import type { BatchStatement, SqlValue } from "@signalbox/database";
import type { LeaseMark } from "../transport.js";

/** `event_deliveries.state` of a row that waits for an earlier one of its key; 0 waits, 1 runs, 3 is settled. */
export const blocked = 2;

/** A delivery as it is inserted. */
export interface NewRow {
  readonly id: string;
  readonly subscriber: string;
  readonly subscription: string;
  readonly eventType: string;
  readonly key: string | null;
  /** Deliveries of the key that may run at once. */
  readonly perKey: number;
  readonly dueAtMs: number;
  readonly boundedBytes: number | null;
  readonly lockName: string | null;
  readonly body: string;
}

/** A delivery as it is claimed. */
export interface ClaimedRow extends Partial<RareColumns> {
  readonly seq: number;
  readonly id: string;
  readonly subscription: string;
  readonly due_at_ms: number;
  readonly body: string;
  /** SQLite: the rare columns as JSON if one of them says anything. PostgreSQL has them in the row. */
  readonly rare?: string | null;
}

/** What says nothing of a delivery without a key that is claimed for the first time. */
export interface RareColumns {
  readonly key: string | null;
  readonly first_due_at_ms: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly crashes_alone: number;
  readonly bounded_bytes: number | null;
  readonly lock_name: string | null;
  readonly progress: string | null;
}

export const commonColumns = ["seq", "id", "subscription", "due_at_ms", "body"];
export const rareColumns: readonly (keyof RareColumns)[] = [
  "key",
  "first_due_at_ms",
  "attempts",
  "crashes",
  "crashes_alone",
  "bounded_bytes",
  "lock_name",
  "progress",
];

export interface ClaimRequest {
  readonly subscriber: string;
  readonly lease: number;
  readonly leaseUntilMs: number;
  readonly nowMs: number;
  readonly limit: number;
  readonly perKey: number;
}

export interface KeyOf {
  readonly subscriber: string;
  readonly key: string;
  readonly perKey: number;
}

/** A lease by the row it is on. */
export interface LeaseRow {
  readonly seq: number;
  readonly lease: number;
}

/**
 * What the two engines say differently. Everything in here makes statements; nobody runs any.
 * SQLite has one writer, so what a statement reads is true until it has written. PostgreSQL has many: where that
 * matters, the caller holds the subscriber's lock (`exclusive`).
 */
export interface SqlEngine {
  /** Must come before `claim` and `release` in the same transaction; `undefined` where it is not needed. */
  exclusive(subscriber: string): BatchStatement | undefined;
  /** Inserts rows whose id is new. One statement or several; `inserted` reads their results. */
  insert(rows: readonly NewRow[]): BatchStatement[];
  /** Which of the ids an insert that added only some of them has added, if the rows of its results do not tell. */
  inserted(ids: readonly string[], added: number): BatchStatement | undefined;
  /** Hands out due rows as `ClaimedRow`s, in no particular order. Fewer than `limit` do not mean that no more are due. */
  claim(request: ClaimRequest): BatchStatement;
  /** Ends leases for good; changes count the rows that were ours. */
  settle(rows: readonly LeaseRow[], nowMs: number): BatchStatement;
  /** Moves deadlines; the rows of the result have the `seq` of those that were ours. */
  extend(rows: readonly (LeaseRow & { readonly untilMs: number })[], mark: LeaseMark | undefined): BatchStatement;
  /** Lets the first rows of each key go that may. */
  release(keys: readonly KeyOf[]): BatchStatement;
  /** Offers rows again whose lease ran out. */
  expire(subscribers: readonly string[], nowMs: number): BatchStatement;
  /** Earliest due time and earliest end of a lease of each subscriber: `{ subscriber, waiting, running }`. */
  next(subscribers: readonly string[]): BatchStatement;
  /** Deletes rows settled before the time, at most `limit`. */
  purge(beforeMs: number, limit: number): BatchStatement;
}

export function statement(sql: string, ...values: SqlValue[]): BatchStatement {
  return { sql, rows: [values] };
}
