import type { BatchStatement, RunResult } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Delivery } from "../transport.js";
import { statement } from "./engine.js";

type Execute = (statements: readonly BatchStatement[]) => Promise<RunResult[]>;

interface Known {
  deliveries: number;
  bytes: number;
  readAtMs: number;
}

/** How long a figure may be used before it is read again: what other processes do is seen this late. */
const freshMs = 250;

const addPending = `insert into event_pending (subscription, shard, deliveries, bytes) values (?, ?, ?, ?)
  on conflict (subscription, shard) do update set
    deliveries = event_pending.deliveries + excluded.deliveries, bytes = event_pending.bytes + excluded.bytes`;
const readPending = `select coalesce(sum(deliveries), 0) as deliveries, coalesce(sum(bytes), 0) as bytes
  from event_pending where subscription = ?`;

/**
 * Counts what waits for subscriptions with `maxPending`. The count is kept in the same transactions as the deliveries,
 * so a crash does not falsify it; each process writes a row of its own.
 */
export class PendingBounds {
  readonly #clock: Clock;
  readonly #shard = Math.floor(Math.random() * 16);
  readonly #known = new Map<string, Known>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Brings the figures of bounded deliveries up to date, before `admit` is asked for them. */
  async refresh(deliveries: readonly Delivery[], execute: Execute): Promise<void> {
    for (const { subscription, maxPending } of deliveries) {
      if (!maxPending) continue;
      const nowMs = this.#clock.monotonicMs();
      const known = this.#known.get(subscription);
      if (known && nowMs - known.readAtMs < freshMs) continue;
      const [result] = await execute([statement(readPending, subscription)]);
      const row = result?.rows[0];
      this.#known.set(subscription, {
        deliveries: Number(row?.["deliveries"] ?? 0),
        bytes: Number(row?.["bytes"] ?? 0),
        readAtMs: nowMs,
      });
    }
  }

  /** Whether there is room for one more; if so it is counted. */
  admit({ subscription, maxPending }: Delivery, bytes: number): boolean {
    const known = this.#known.get(subscription);
    if (!maxPending || !known) return true;
    if (maxPending.count !== undefined && known.deliveries >= maxPending.count) return false;
    if (maxPending.bytes !== undefined && known.bytes + bytes > maxPending.bytes) return false;
    known.deliveries++;
    known.bytes += bytes;
    return true;
  }

  /** What was admitted, settled or removed: the figures of this process at once, the shared ones by the statement. */
  note(subscription: string, deliveries: number, bytes: number): void {
    const known = this.#known.get(subscription);
    if (!known) return;
    known.deliveries += deliveries;
    known.bytes += bytes;
  }

  /** The next figures are read anew. */
  forgetFigures(): void {
    this.#known.clear();
  }

  /** Undefined when nothing bounded is among them. */
  statementFor(
    rows: readonly { readonly subscription: string; readonly boundedBytes: number | null }[],
    sign: 1 | -1,
  ): BatchStatement | undefined {
    const sums = new Map<string, { deliveries: number; bytes: number }>();
    for (const { subscription, boundedBytes: bytes } of rows) {
      if (bytes === null) continue;
      const sum = sums.get(subscription) ?? { deliveries: 0, bytes: 0 };
      sum.deliveries += sign;
      sum.bytes += sign * bytes;
      sums.set(subscription, sum);
    }
    if (sums.size === 0) return undefined;
    const changes = [...sums].map(([subscription, { deliveries, bytes }]) => [
      subscription,
      this.#shard,
      deliveries,
      bytes,
    ]);
    return { sql: addPending, rows: changes };
  }
}
