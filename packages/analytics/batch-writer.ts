import {
  type BackoffOptions,
  type Clock,
  isRetryable,
  type Logger,
  type Metrics,
  noMetrics,
  retry,
  type StopOptions,
  silentLogger,
  systemClock,
  ulid,
} from "@signalbox/kernel";
import type { Analytics } from "./analytics.js";
import { type BatchMetrics, createBatchMetrics } from "./batch-metrics.js";
import { type EncodedRows, encodeRows, joinRows } from "./encode-rows.js";
import { AnalyticsError } from "./errors.js";
import { Room } from "./room.js";

export interface BatchWriterOptions {
  readonly table: string;
  /** A batch is cut at so many rows. Default 2,000. A single larger write is a batch of its own. */
  readonly maxRows?: number;
  /** A batch is cut at so many encoded bytes. Default 16 MiB. */
  readonly maxBytes?: number;
  /** A write waits no longer than this for others to join it. Default 500 ms. */
  readonly maxWaitMs?: number;
  /** Rows accepted and not settled; further writes wait. Default 10,000. */
  readonly maxPendingRows?: number;
  /** The same in encoded bytes; one write may exceed it. Default 64 MiB. */
  readonly maxPendingBytes?: number;
  /** Writes that may wait for room; one more is refused. Default 64. */
  readonly maxWaitingWrites?: number;
  /** Between attempts of a batch that failed with a retryable error. Default 250 ms doubling to 30 s, full jitter. */
  readonly backoff?: BackoffOptions;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
}

export interface BatchWriterStats {
  /** Rows accepted and not yet settled, those being inserted among them. */
  readonly pendingRows: number;
  readonly pendingBytes: number;
  /** Writes that wait for room. */
  readonly waitingWrites: number;
}

/**
 * Collects rows of many callers into inserts of a good size, one at a time.
 *
 * A batch whose insert failed with a retryable error is repeated unchanged, with the same deduplication token, until it succeeds or the
 * writer stops; later rows wait behind it. In a table with a deduplication window nothing is therefore lost or doubled
 * while the engine is away. A write that rejects may still have been inserted when its engine stopped answering.
 */
export interface BatchWriter {
  /**
   * Adds rows and resolves after the insert that holds them; all rows of one call are in one insert. Waits for room while
   * the writer is full: await each write, and a slow engine slows its callers down.
   * @throws {AnalyticsError} `ANALYTICS_INSERT_REFUSED` when the insert was refused: exactly the writes in it reject, also
   * those whose own rows were good; `ANALYTICS_OVERLOADED` when too many writes wait already; `ANALYTICS_CLOSED` after
   * `stop()` or when its deadline passed.
   */
  write(rows: readonly object[] | EncodedRows): Promise<void>;
  /** Inserts what is pending without waiting for more; resolves when all writes made before this call have settled. */
  flush(): Promise<void>;
  /**
   * Refuses new writes and inserts what is pending; at the deadline (default 10 s) the rest rejects with
   * `ANALYTICS_CLOSED`. A second call joins the first.
   */
  stop(options?: StopOptions): Promise<void>;
  stats(): BatchWriterStats;
}

interface PendingWrite {
  readonly rows: EncodedRows;
  readonly arrivedMs: number;
  resolve(): void;
  reject(error: unknown): void;
}

const mebibyte = 1024 * 1024;

export function createBatchWriter(analytics: Analytics, options: BatchWriterOptions): BatchWriter {
  return new TableBatchWriter(analytics, options);
}

class TableBatchWriter implements BatchWriter {
  readonly #analytics: Analytics;
  readonly #table: string;
  readonly #maxRows: number;
  readonly #maxBytes: number;
  readonly #maxWaitMs: number;
  readonly #backoff: BackoffOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: BatchMetrics;
  readonly #room: Room;
  readonly #writes = new Set<Promise<void>>();
  readonly #givingUp = new AbortController();
  #queue: PendingWrite[] = [];
  #queuedRows = 0;
  #queuedBytes = 0;
  #pumping = false;
  #flushes = 0;
  #wake = (): void => {};
  #stopping: Promise<void> | undefined;

  constructor(analytics: Analytics, options: BatchWriterOptions) {
    this.#analytics = analytics;
    this.#table = options.table;
    this.#maxRows = options.maxRows ?? 2_000;
    this.#maxBytes = options.maxBytes ?? 16 * mebibyte;
    this.#maxWaitMs = options.maxWaitMs ?? 500;
    this.#backoff = options.backoff ?? { baseMs: 250, maxMs: 30_000 };
    this.#clock = options.clock ?? systemClock;
    this.#logger = (options.logger ?? silentLogger).child("analytics");
    this.#metrics = createBatchMetrics(options.metrics ?? noMetrics, options.table);
    this.#room = new Room({
      maxRows: options.maxPendingRows ?? 10_000,
      maxBytes: options.maxPendingBytes ?? 64 * mebibyte,
      maxWaiting: options.maxWaitingWrites ?? 64,
    });
  }

  async write(rows: readonly object[] | EncodedRows): Promise<void> {
    if (this.#stopping) throw new AnalyticsError("ANALYTICS_CLOSED");
    const write = this.#write(rows);
    this.#writes.add(write);
    try {
      await write;
    } finally {
      this.#writes.delete(write);
    }
  }

  async flush(): Promise<void> {
    this.#flushes++;
    this.#wake();
    await Promise.allSettled(this.#writes);
    this.#flushes--;
  }

  stop(options: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(options.deadlineMs ?? 10_000);
    return this.#stopping;
  }

  stats(): BatchWriterStats {
    const { rows, bytes, waiting } = this.#room;
    return { pendingRows: rows, pendingBytes: bytes, waitingWrites: waiting };
  }

  async #write(rows: readonly object[] | EncodedRows): Promise<void> {
    const count = "chunks" in rows ? rows.rows : rows.length;
    if (count === 0) return;
    await this.#room.enter(count);
    let encoded: EncodedRows | undefined;
    try {
      encoded = "chunks" in rows ? rows : await encodeRows(rows);
      this.#room.addBytes(encoded.bytes);
      this.#metrics.pendingRows(this.#room.rows);
      this.#givingUp.signal.throwIfAborted();
      await this.#enqueue(encoded);
    } finally {
      this.#room.leave(count, encoded?.bytes ?? 0);
      this.#metrics.pendingRows(this.#room.rows);
    }
  }

  #enqueue(rows: EncodedRows): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ rows, arrivedMs: this.#clock.monotonicMs(), resolve, reject });
      this.#queuedRows += rows.rows;
      this.#queuedBytes += rows.bytes;
      if (!this.#pumping) void this.#pump();
      else this.#wake();
    });
  }

  /** Inserts batch after batch until nothing is queued. */
  async #pump(): Promise<void> {
    this.#pumping = true;
    while (this.#queue.length > 0 && !this.#givingUp.signal.aborted) {
      await this.#untilReady();
      await this.#insert(this.#takeBatch());
    }
    this.#pumping = false;
  }

  async #untilReady(): Promise<void> {
    for (let waitMs = this.#waitMs(); waitMs > 0; waitMs = this.#waitMs()) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      await this.#clock.sleep(waitMs, { signal: woken.signal }).catch(() => {});
    }
  }

  /** How long the batch may still wait for more rows. */
  #waitMs(): number {
    const full = this.#queuedRows >= this.#maxRows || this.#queuedBytes >= this.#maxBytes;
    if (full || this.#flushes > 0 || this.#stopping) return 0;
    const [oldest] = this.#queue;
    return oldest ? oldest.arrivedMs + this.#maxWaitMs - this.#clock.monotonicMs() : 0;
  }

  #takeBatch(): PendingWrite[] {
    let rows = 0;
    let bytes = 0;
    const firstLeft = this.#queue.findIndex((write, position) => {
      rows += write.rows.rows;
      bytes += write.rows.bytes;
      return position > 0 && (rows > this.#maxRows || bytes > this.#maxBytes);
    });
    const batch = this.#queue.splice(0, firstLeft === -1 ? this.#queue.length : firstLeft);
    for (const write of batch) {
      this.#queuedRows -= write.rows.rows;
      this.#queuedBytes -= write.rows.bytes;
    }
    return batch;
  }

  async #insert(batch: readonly PendingWrite[]): Promise<void> {
    const rows = joinRows(batch.map((write) => write.rows));
    const deduplicationToken = ulid();
    const signal = this.#givingUp.signal;
    try {
      await retry(() => this.#analytics.insert(this.#table, rows, { deduplicationToken, signal }), {
        ...this.#backoff,
        clock: this.#clock,
        signal,
        retryIf: isRetryable,
        onRetry: (error, attempt) => this.#report(error, attempt),
      });
      this.#metrics.batch(rows.rows);
      for (const write of batch) write.resolve();
    } catch (error) {
      for (const write of batch) write.reject(error);
    }
  }

  #report(error: unknown, attempt: number): void {
    this.#metrics.retried();
    if (attempt === 1) this.#logger.warn("analytics batch is retried", { table: this.#table, error });
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#wake();
    const timer = this.#clock.setTimer(deadlineMs, () => this.#giveUp(new AnalyticsError("ANALYTICS_CLOSED")));
    await Promise.allSettled(this.#writes);
    timer.cancel();
  }

  #giveUp(reason: AnalyticsError): void {
    this.#givingUp.abort(reason);
    this.#room.close(reason);
    for (const write of this.#queue) write.reject(reason);
  }
}
