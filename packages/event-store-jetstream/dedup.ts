import type { BatchStatement, Database, RunResult } from "@signalbox/database";
import type { DedupLock, Delivery } from "@signalbox/event-store";
import type { Clock } from "@signalbox/kernel";
import type { JetStreamLease } from "./lease.js";

const dropExpired = "delete from event_dedup where lock_name = ? and expires_at_ms <= ?";
const takeLock = `insert into event_dedup (lock_name, delivery_id, expires_at_ms) values (?, ?, ?)
  on conflict (lock_name) do nothing`;
const holderOf = "select delivery_id from event_dedup where lock_name = ?";
const runAgain = "update event_dedup set again = ? where lock_name = ? and again is null";
const confirmLock = "update event_dedup set expires_at_ms = ? where lock_name = ? and delivery_id = ?";
const releaseLock = "delete from event_dedup where delivery_id = ?";
const releaseUnlessAgain = "delete from event_dedup where delivery_id = ? and again is null";
const readAgain = "select again from event_dedup where delivery_id = ? and again is not null";

/** A lock whose delivery is not known to be in the stream can be taken over after this. */
const unconfirmedMs = 30_000;

/**
 * `taken`: it is this delivery's now. `own`: it was already, so this is a repetition. `held`: an equal delivery has it.
 */
export type LockAnswer = "taken" | "own" | "held";

/** Deduplication locks. The stream knows nothing of them, so a lock is taken, its delivery published, and the lock confirmed. */
export class DedupLocks {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  take(delivery: Delivery, dedup: DedupLock): Promise<LockAnswer> {
    const nowMs = this.#clock.nowMs();
    const expiresAtMs = nowMs + Math.min(unconfirmedMs, dedup.ttlMs);
    return this.#database.commitTogether(async (transaction) => {
      const run = (sql: string, values: (string | number)[]): Promise<RunResult> =>
        this.#database.run(sql, values, transaction);
      await run(dropExpired, [dedup.lock, nowMs]);
      const taken = await run(takeLock, [dedup.lock, delivery.id, expiresAtMs]);
      if (taken.changes === 1) return "taken";
      const { rows } = await run(holderOf, [dedup.lock]);
      if (rows[0]?.["delivery_id"] === delivery.id) return "own";
      // While the holder has not started, its run covers the duplicate.
      if (dedup.until === "executed" && dedup.ifDuplicate === "reschedule_once")
        await run(runAgain, [JSON.stringify(delivery), dedup.lock]);
      return "held";
    });
  }

  /** Its delivery is in the stream. */
  async confirm(delivery: Delivery, { lock, ttlMs }: DedupLock): Promise<void> {
    await this.#write({ sql: confirmLock, rows: [[this.#clock.nowMs() + ttlMs, lock, delivery.id]] });
  }

  async release(deliveryIds: readonly string[]): Promise<void> {
    if (deliveryIds.length > 0) await this.#write({ sql: releaseLock, rows: deliveryIds.map((id) => [id]) });
  }

  /** Locks that hold until their delivery starts are over. */
  async started(leases: readonly JetStreamLease[]): Promise<void> {
    await this.release(leases.filter(({ wire }) => wire.lock?.startsWith("executing:")).map(({ wire }) => wire.id));
  }

  /**
   * Locks that hold until their delivery has finished are over; what waited to run once more is enqueued before, so that a
   * crash in between repeats it and loses nothing.
   */
  async finished(leases: readonly JetStreamLease[], enqueue: (again: Delivery) => Promise<unknown>): Promise<void> {
    for (const { wire } of leases) {
      if (wire.lock === null) continue;
      const released = await this.#write({ sql: releaseUnlessAgain, rows: [[wire.id]] });
      if (released.changes > 0) continue;
      const { rows } = await this.#database.run(readAgain, [wire.id]);
      const again = rows[0]?.["again"];
      if (typeof again !== "string") continue;
      // Written by `take`. It runs without a lock of its own: after it, new duplicates count as new facts.
      await enqueue({ ...(JSON.parse(again) as Delivery), dedup: null, maxPending: null });
      await this.release([wire.id]);
    }
  }

  async #write(statement: BatchStatement): Promise<RunResult> {
    const [result] = await this.#database.batch([statement]);
    return result ?? { rows: [], changes: 0 };
  }
}
