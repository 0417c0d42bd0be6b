import type { BatchStatement, RunResult } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Delivery, EnqueueResult } from "../transport.js";
import { type NewRow, statement } from "./engine.js";
import type { SqlLease } from "./lease.js";

type Execute = (statements: readonly BatchStatement[]) => Promise<RunResult[]>;

const knownId = "select id from event_deliveries where id = ?";
const dropExpired = "delete from event_dedup where lock_name = ? and expires_at_ms <= ?";
const takeLock = `insert into event_dedup (lock_name, delivery_id, expires_at_ms) values (?, ?, ?)
  on conflict (lock_name) do nothing`;
const runAgain = "update event_dedup set again = ? where lock_name = ? and again is null";
const releaseLock = "delete from event_dedup where delivery_id = ? returning again";

/** The deduplication locks of the SQL transport. A lock is taken in the transaction that inserts its delivery. */
export interface DedupRows {
  /** Takes the lock, or says why the delivery is not to be inserted. */
  take(delivery: Delivery, execute: Execute): Promise<EnqueueResult | undefined>;
  /** Locks that hold until their delivery starts are over. */
  started(leases: readonly SqlLease[], execute: Execute): Promise<void>;
  /** Locks that hold until their delivery has finished are over; what waited to run once more is inserted. */
  finished(leases: readonly SqlLease[], execute: Execute, insert: (row: NewRow) => BatchStatement[]): Promise<void>;
}

export function dedupRows(clock: Clock): DedupRows {
  return {
    async take(delivery, execute) {
      const { dedup, id } = delivery;
      if (!dedup) return undefined;
      const nowMs = clock.nowMs();
      const [known] = await execute([statement(knownId, id)]);
      if ((known?.rows.length ?? 0) > 0) return "duplicate";
      const [, taken] = await execute([
        statement(dropExpired, dedup.lock, nowMs),
        statement(takeLock, dedup.lock, id, nowMs + dedup.ttlMs),
      ]);
      if (taken?.changes === 1) return undefined;
      // While the holder has not started, its run covers the duplicate.
      if (dedup.until === "executed" && dedup.ifDuplicate === "reschedule_once")
        await execute([statement(runAgain, JSON.stringify(delivery), dedup.lock)]);
      return "deduplicated";
    },

    async started(leases, execute) {
      const rows = leases
        .filter(({ lockName }) => lockName?.startsWith("executing:"))
        .map((lease) => [lease.deliveryId]);
      if (rows.length > 0) await execute([{ sql: releaseLock, rows }]);
    },

    async finished(leases, execute, insert) {
      for (const { deliveryId } of leases) {
        const [released] = await execute([statement(releaseLock, deliveryId)]);
        const again = released?.rows[0]?.["again"];
        if (typeof again === "string") await execute(insert(rowOf(JSON.parse(again) as Delivery, clock.nowMs())));
      }
    },
  };
}

/** It runs without a lock of its own: after it, new duplicates count as new facts. */
function rowOf(delivery: Delivery, nowMs: number): NewRow {
  const { id, subscriber, subscription, eventType, key, perKey, dueAtMs, body } = delivery;
  return {
    id,
    subscriber,
    subscription,
    eventType,
    key,
    perKey,
    dueAtMs: dueAtMs || nowMs,
    boundedBytes: null,
    lockName: null,
    body,
  };
}
