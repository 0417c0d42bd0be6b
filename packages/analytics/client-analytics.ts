import {
  type Clock,
  createPace,
  createPulse,
  type Logger,
  type Metrics,
  noMetrics,
  type Pulse,
  silentLogger,
  systemClock,
  ulid,
} from "@signalbox/kernel";
import type { Analytics, CommandOptions, InsertOptions, QueryOptions, QueryParams } from "./analytics.js";
import { bindParams } from "./bind-params.js";
import { type CallMetrics, createCallMetrics } from "./call-metrics.js";
import { type EncodedRows, encodeRows } from "./encode-rows.js";
import type { Engine, Settings } from "./engine.js";
import { AnalyticsError } from "./errors.js";
import { rejectWhenAborted } from "./lane.js";
import { type CallKind, translateError } from "./translate-error.js";

export interface AnalyticsDependencies {
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
}

/** Time for waiting in line and for the way there and back, on top of the engine's own limit. */
const graceMs = 5_000;
const pingMs = 5_000;
const mebibyte = 1024 * 1024;

/** A table, or a table of a database. */
const tableName = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?$/;

/** What both engines must agree on, so that values look the same whichever answers. */
const dialect: Settings = {
  session_timezone: "UTC",
  date_time_output_format: "iso",
  date_time_input_format: "best_effort",
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_denormals: 0,
};

/** The port's promises over any engine: limits, encoding, deadlines, errors, metrics and closing. */
export class ClientAnalytics implements Analytics {
  readonly engine: Analytics["engine"];
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: CallMetrics;
  readonly #calls = new Set<Promise<unknown>>();
  readonly #pulse: Pulse | undefined;
  /** Ends the calls under way when nobody is there to answer them. */
  readonly #deadlines = new Set<AbortController>();
  #closing: Promise<void> | undefined;
  #reachable = true;
  #saidAwayAtMs = Number.NEGATIVE_INFINITY;
  #saidAway = false;

  constructor(engine: Engine, dependencies: AnalyticsDependencies) {
    this.engine = engine.name;
    this.#engine = engine;
    this.#clock = dependencies.clock ?? systemClock;
    this.#logger = (dependencies.logger ?? silentLogger).child("analytics");
    this.#metrics = createCallMetrics(dependencies.metrics ?? noMetrics);
    const { isAlive } = engine;
    this.#pulse =
      isAlive &&
      createPulse({
        ask: (signal) => isAlive.call(engine, signal),
        onSilent: (cause) => {
          for (const deadline of this.#deadlines) deadline.abort(silenceError(cause));
        },
      });
  }

  command(sql: string, options: CommandOptions = {}): Promise<void> {
    const maxExecutionSeconds = options.maxExecutionSeconds ?? 60;
    const settings: Settings = {
      ...dialect,
      max_execution_time: maxExecutionSeconds,
      // Deletions and mutations have taken effect when the statement returns.
      mutations_sync: 1,
      lightweight_deletes_sync: 2,
    };
    return this.#call("command", options.signal, maxExecutionSeconds * 1000 + graceMs, (signal) =>
      this.#engine.command({ sql, params: bindParams(sql, options.params ?? {}), settings }, signal),
    );
  }

  insert(table: string, rows: readonly object[] | EncodedRows, options: InsertOptions = {}): Promise<void> {
    const maxExecutionSeconds = 60;
    const settings: Settings = {
      ...dialect,
      max_execution_time: maxExecutionSeconds,
      async_insert: 0,
      // One block in the order given, so that a repetition with the same token is recognised.
      input_format_parallel_parsing: 0,
      input_format_skip_unknown_fields: 0,
      // Without a token the engine would compare contents, and drop a second batch that is rightly equal.
      insert_deduplication_token: options.deduplicationToken ?? ulid(),
    };
    return this.#call("insert", options.signal, maxExecutionSeconds * 1000 + graceMs, async (signal) => {
      if (!tableName.test(table)) throw new TypeError(`${table} is not the name of a table`);
      const encoded = "chunks" in rows ? rows : await encodeRows(rows, signal);
      if (encoded.rows === 0) return;
      await this.#engine.insert(table, encoded, settings, signal);
      this.#metrics.insertedRows.add(encoded.rows);
    });
  }

  query<Row = Record<string, unknown>>(
    sql: string,
    params: QueryParams = {},
    options: QueryOptions = {},
  ): Promise<Row[]> {
    const maxExecutionSeconds = options.maxExecutionSeconds ?? 10;
    const settings: Settings = {
      ...dialect,
      max_execution_time: maxExecutionSeconds,
      max_memory_usage: options.maxMemoryBytes ?? 512 * mebibyte,
      max_result_rows: options.maxResultRows ?? 10_000,
      result_overflow_mode: "throw",
    };
    return this.#call("query", options.signal, maxExecutionSeconds * 1000 + graceMs, async (signal) => {
      const rows: Row[] = [];
      const pace = createPace();
      for await (const lines of this.#engine.read({ sql, params: bindParams(sql, params), settings }, signal)) {
        for (const line of lines) {
          rows.push(JSON.parse(line));
          const pause = pace();
          if (pause) await pause;
        }
      }
      return rows;
    });
  }

  ping(signal?: AbortSignal): Promise<void> {
    return this.#call("ping", signal, pingMs, (callSignal) => this.#engine.ping(callSignal));
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#pulse?.close();
      await Promise.allSettled(this.#calls);
      await this.#engine.close();
    })();
    return this.#closing;
  }

  async #call<T>(
    kind: CallKind,
    callerSignal: AbortSignal | undefined,
    deadlineMs: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (this.#closing) throw new AnalyticsError("ANALYTICS_CLOSED");
    callerSignal?.throwIfAborted();
    if (this.#pulse?.isSilent) throw silenceError();
    const deadline = new AbortController();
    this.#deadlines.add(deadline);
    this.#pulse?.began();
    const timer = this.#clock.setTimer(deadlineMs, () => deadline.abort(new AnalyticsError("ANALYTICS_TIMEOUT")));
    const signal = callerSignal ? AbortSignal.any([callerSignal, deadline.signal]) : deadline.signal;
    const startedMs = this.#clock.monotonicMs();
    const call = rejectWhenAborted(work(signal), signal);
    this.#calls.add(call);
    let answered = false;
    try {
      const result = await call;
      answered = true;
      this.#finished(kind, "ok", startedMs);
      this.#sawEngine(true);
      return result;
    } catch (error) {
      if (callerSignal?.aborted) {
        this.#finished(kind, "aborted", startedMs);
        throw callerSignal.reason;
      }
      answered = !signal.aborted;
      const translated = signal.aborted ? translateError(signal.reason, kind) : translateError(error, kind);
      this.#finished(kind, translated.code, startedMs);
      if (translated.code === "ANALYTICS_UNAVAILABLE") this.#sawEngine(false, translated);
      throw translated;
    } finally {
      timer.cancel();
      this.#pulse?.ended(answered);
      this.#deadlines.delete(deadline);
      this.#calls.delete(call);
    }
  }

  #finished(kind: CallKind, outcome: string, startedMs: number): void {
    this.#metrics.calls.add(1, { call: kind, outcome });
    this.#metrics.durations.observe((this.#clock.monotonicMs() - startedMs) / 1000, { call: kind });
  }

  /**
   * Logs the change, not each call that meets it; once a minute where it changes all the time, as with an engine without room:
   * it answers questions and takes no rows.
   */
  #sawEngine(reachable: boolean, error?: AnalyticsError): void {
    if (reachable === this.#reachable) return;
    this.#reachable = reachable;
    if (reachable) {
      if (this.#saidAway) this.#logger.info("analytics engine answers again", { engine: this.engine });
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    this.#saidAway = nowMs - this.#saidAwayAtMs >= 60_000;
    if (!this.#saidAway) return;
    this.#saidAwayAtMs = nowMs;
    this.#logger.warn("analytics engine is unavailable", { engine: this.engine, error });
  }
}

function silenceError(cause?: unknown): AnalyticsError {
  return new AnalyticsError("ANALYTICS_UNAVAILABLE", {
    message: "The analytics engine gives no sign of life",
    ...(cause === undefined ? {} : { cause }),
  });
}
