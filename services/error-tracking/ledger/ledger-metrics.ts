import type { Database } from "@signalbox/database";
import type { DeadLetters, Queues } from "@signalbox/event-store";
import type { Clock, Logger, Metrics } from "@signalbox/kernel";
import { type VerifyCheck, verifyChecks } from "../upkeep/verify.js";

/** The part of the event store that is looked at. */
export interface QueueSource {
  readonly queues: Pick<Queues, "get">;
  readonly dead: Pick<DeadLetters, "counts">;
}

export interface LedgerMetricsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly queue: () => QueueSource | undefined;
  readonly subscribers: readonly string[];
  readonly isDiskGuardActive: () => boolean;
}

/** Scrapes come more often than it is worth looking. */
const cachedMs = 10_000;
/** Hours whose cells are compared; older ones change no more. */
const comparedHours = 48;
const hourMs = 3_600_000;

interface Seen {
  readonly pending: number;
  readonly oldestSeconds: number;
  readonly deadLetters: number;
  readonly imbalance: number;
}

/** Shows what waits, what was given up, and whether the ledger balances. Returns how findings of a check are told. */
export function createLedgerMetrics(
  options: LedgerMetricsOptions,
): (findings: Readonly<Record<VerifyCheck, number>>) => void {
  const { clock, logger, metrics, isDiskGuardActive } = options;
  let seen: Seen = { pending: 0, oldestSeconds: 0, deadLetters: 0, imbalance: 0 };
  let seenAtMs = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  const look = (): Promise<void> => {
    if (clock.monotonicMs() - seenAtMs < cachedMs) return Promise.resolve();
    looking ??= readState(options)
      .then((state) => {
        seen = state;
      })
      .catch((error: unknown) => logger.warn("the state of queue and ledger could not be read", { error }))
      .finally(() => {
        seenAtMs = clock.monotonicMs();
        looking = undefined;
      });
    return looking;
  };

  const gauge = (suffix: string, help: string, read: () => number): void => {
    metrics.gauge({
      name: `signalbox_error_tracking_${suffix}`,
      help,
      async collect(series) {
        await look();
        series.set(read());
      },
    });
  };
  gauge("pending_messages", "Messages that were accepted and wait to be stored.", () => seen.pending);
  gauge("oldest_pending_seconds", "How long the oldest of them has been waiting.", () => seen.oldestSeconds);
  gauge("dead_letters", "Messages that were given up and wait for an operator.", () => seen.deadLetters);
  gauge(
    "ledger_imbalance",
    "Items by which receipts and outcomes differ; anything but 0 is a fault.",
    () => seen.imbalance,
  );
  metrics.gauge({
    name: "signalbox_error_tracking_disk_guard_active",
    help: "1 while everything is refused because too little space is free, else 0.",
    collect: (series) => series.set(isDiskGuardActive() ? 1 : 0),
  });
  const findings = metrics.gauge({
    name: "signalbox_error_tracking_verify_findings",
    help: "What the last check of consistency found and did not mend.",
    labels: ["check"],
    known: verifyChecks.map((check) => ({ check })),
  });
  return (found) => {
    for (const check of verifyChecks) findings.set(found[check], { check });
  };
}

async function readState({ database, clock, queue, subscribers }: LedgerMetricsOptions): Promise<Seen> {
  const source = queue();
  let pending = 0;
  let deadLetters = 0;
  let oldestMs: number | null = null;
  for (const subscriber of subscribers) {
    const depth = (await source?.queues.get(subscriber))?.depth;
    if (depth === undefined) continue;
    pending += depth.ready + depth.scheduled + depth.running + depth.blocked;
    if (depth.oldestReadyMs !== null) oldestMs = Math.min(oldestMs ?? depth.oldestReadyMs, depth.oldestReadyMs);
  }
  for (const [subscription, quantity] of (await source?.dead.counts()) ?? [])
    if (subscribers.some((subscriber) => subscription.startsWith(`${subscriber}/`))) deadLetters += quantity;
  const nowMs = clock.nowMs();
  return {
    pending,
    deadLetters,
    oldestSeconds: oldestMs === null ? 0 : Math.max(0, (nowMs - oldestMs) / 1000),
    imbalance: await readImbalance(database, Math.floor(nowMs / hourMs) - comparedHours),
  };
}

/** By how many items receipts and outcomes differ, over all cells since an hour. */
export async function readImbalance(database: Database, sinceHour: number): Promise<number> {
  const { rows } = await database.run<{ n: number }>(
    `select coalesce(sum(abs(difference)), 0) as n from (
      select sum(case when outcome = 'received' then quantity else -quantity end) as difference
      from error_ledger where hour >= ? group by project_id, key_id, category, hour) as cells`,
    [sinceHour],
  );
  return Number(rows[0]?.n);
}
