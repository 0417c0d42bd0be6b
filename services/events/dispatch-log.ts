import { hostname } from "node:os";
import { type Analytics, encodeTexts } from "@signalbox/analytics";
import type { DispatchLog } from "@signalbox/event-store";
import {
  type Clock,
  type Counter,
  isRetryable,
  type Logger,
  type Metrics,
  noMetrics,
  retry,
  silentLogger,
  systemClock,
  type Timer,
  ulid,
} from "@signalbox/kernel";
import { createHistory } from "./dispatch-history.js";
import { attemptRowJson, dispatchRowJson, type RowFrame } from "./dispatch-rows.js";
import { type LogRow, type LogTable, RowBuffer } from "./row-buffer.js";

export interface DispatchLogOptions {
  readonly analytics: Analytics;
  /** Days after which rows are gone. */
  readonly retentionDays: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** Rows that wait at most; beyond, the oldest are forgotten and counted. Default 20,000. */
  readonly maxRows?: number;
  /** So many rows are written without waiting any longer. Default 5,000. */
  readonly batchRows?: number;
  /** How long a row waits for others. Default 1,000. */
  readonly maxWaitMs?: number;
}

/** How long `flush` waits for an engine that is away. */
const flushPatienceMs = 5_000;
const backoff = { baseMs: 250, maxMs: 30_000 } as const;
/** An error that does not go away by itself gets this many tries: the tables may just not be there yet. */
const stubbornAttempts = 6;

/**
 * The dispatch log in the tables of `eventsAnalytics`. What it is given waits in memory, is written in batches, and is
 * lost with the process: it is history, not state. An engine that is away costs rows, never a publish.
 */
export function createDispatchLog(options: DispatchLogOptions): DispatchLog {
  return new AnalyticsDispatchLog(options);
}

class AnalyticsDispatchLog implements DispatchLog {
  readonly history: NonNullable<DispatchLog["history"]>;
  readonly #analytics: Analytics;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #dropped: Counter;
  readonly #frame: RowFrame;
  readonly #batchRows: number;
  readonly #maxWaitMs: number;
  readonly #buffer: RowBuffer;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #isFailing = false;

  constructor(options: DispatchLogOptions) {
    this.#analytics = options.analytics;
    this.#clock = options.clock ?? systemClock;
    this.#logger = (options.logger ?? silentLogger).child("dispatch-log");
    this.#frame = { retentionDays: options.retentionDays, worker: `${hostname()}:${process.pid}` };
    this.#batchRows = options.batchRows ?? 5_000;
    this.#maxWaitMs = options.maxWaitMs ?? 1_000;
    this.#buffer = new RowBuffer(options.maxRows ?? 20_000);
    this.history = createHistory(options.analytics, this.#buffer);
    this.#dropped = (options.metrics ?? noMetrics).counter({
      name: "signalbox_event_store_dispatch_log_dropped_total",
      help: "Rows of the dispatch log that were forgotten because they could not be written in time.",
    });
  }

  dispatched(record: Parameters<DispatchLog["dispatched"]>[0]): void {
    const { eventId, causationId } = record;
    this.#add({ table: "event_dispatches", eventId, causationId, json: dispatchRowJson(record, this.#frame) });
  }

  handled(record: Parameters<DispatchLog["handled"]>[0]): void {
    const { eventId } = record;
    this.#add({ table: "event_attempts", eventId, causationId: null, json: attemptRowJson(record, this.#frame) });
  }

  async flush(): Promise<void> {
    if (this.#buffer.waiting === 0 && !this.#writing) return;
    const over = new AbortController();
    const tooLong = this.#clock.sleep(flushPatienceMs, { signal: over.signal }).catch(() => {});
    await Promise.race([this.#writeAll(over.signal), tooLong]);
    over.abort();
  }

  #add(row: LogRow): void {
    if (!this.#buffer.add(row)) this.#dropped.add(1);
    if (!this.#writing) this.#arrange();
  }

  /** A write of few rows costs the engine nearly as much as one of many, so they wait for each other. */
  #arrange(): void {
    if (this.#buffer.waiting >= this.#batchRows) void this.#write();
    else if (this.#buffer.waiting > 0) this.#timer ??= this.#clock.setTimer(this.#maxWaitMs, () => void this.#write());
  }

  async #writeAll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (this.#buffer.waiting > 0 || this.#writing)) await this.#write();
  }

  /** Never rejects. Callers join the writing under way. */
  #write(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#writing ??= this.#writeBatches().finally(() => {
      this.#writing = undefined;
      this.#arrange();
    });
    return this.#writing;
  }

  /** One, and further ones as long as they are full. */
  async #writeBatches(): Promise<void> {
    do {
      const batch = this.#buffer.take(this.#batchRows);
      await this.#insert("event_dispatches", batch);
      await this.#insert("event_attempts", batch);
      this.#buffer.settle();
    } while (this.#buffer.waiting >= this.#batchRows);
  }

  async #insert(table: LogTable, batch: readonly LogRow[]): Promise<void> {
    const rows = batch.flatMap((row) => (row.table === table ? row.json : []));
    if (rows.length === 0) return;
    const deduplicationToken = ulid();
    let stubborn = 0;
    try {
      const encoded = encodeTexts(rows);
      await retry(() => this.#analytics.insert(table, encoded, { deduplicationToken }), {
        ...backoff,
        clock: this.#clock,
        retryIf: (error) => isRetryable(error) || ++stubborn < stubbornAttempts,
        onRetry: (error) => this.#failing(error, table),
      });
      this.#isFailing = false;
    } catch (error) {
      this.#failing(error, table);
      this.#dropped.add(rows.length);
    }
  }

  /** Said once for each time of trouble. */
  #failing(error: unknown, table: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#logger.warn("the dispatch log cannot be written; its oldest rows will be forgotten", { error, table });
  }
}
