import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from "@clickhouse/client";
import type { Analytics } from "./analytics.js";
import { type AnalyticsDependencies, ClientAnalytics } from "./client-analytics.js";
import type { EncodedRows } from "./encode-rows.js";
import type { Engine, Settings, Statement } from "./engine.js";
import { Lane } from "./lane.js";

export interface ClickHouseOptions extends AnalyticsDependencies {
  /** `http(s)://user:password@host:8123/database`. The database must exist. */
  readonly url: string;
  /** Reads at one time, default 8. */
  readonly maxConcurrentReads?: number;
  /** Gzip for inserts, default false: it costs more time than it saves in one network. */
  readonly compress?: boolean;
}

const maxWaitingCalls = 256;

/**
 * A ClickHouse server over HTTP. Opening needs no server: calls fail with `ANALYTICS_UNAVAILABLE` while it is away and work
 * again when it is back.
 */
export async function openClickHouse(options: ClickHouseOptions): Promise<Analytics> {
  return new ClientAnalytics(new ClickHouseEngine(options), options);
}

class ClickHouseEngine implements Engine {
  readonly name = "clickhouse";
  readonly #client: ClickHouseClient;
  /** On connections that no statement can occupy. */
  readonly #lifeline: ClickHouseClient;
  readonly #reads: Lane<ClickHouseClient>;

  constructor({ url, maxConcurrentReads = 8, compress = false }: ClickHouseOptions) {
    const common = { url, application: "signalbox", log: { level: ClickHouseLogLevel.OFF } };
    this.#lifeline = createClient({ ...common, max_open_connections: 1, keep_alive: { enabled: false } });
    this.#client = createClient({
      ...common,
      // Every call has a deadline of its own; this one only ends what nobody waits for.
      request_timeout: 600_000,
      max_open_connections: maxConcurrentReads + 16,
      compression: { request: compress, response: false },
      use_multipart_params_auto: true,
    });
    this.#reads = new Lane(
      Array.from({ length: maxConcurrentReads }, () => this.#client),
      { maxWaiting: maxWaitingCalls },
    );
  }

  async *read(statement: Statement, signal: AbortSignal): AsyncGenerator<readonly string[], void, undefined> {
    yield* await this.#reads.run(signal, async (client) => {
      const result = await client.query({
        query: statement.sql,
        query_params: { ...statement.params },
        format: "JSONEachRow",
        clickhouse_settings: complete(statement.settings),
        abort_signal: signal,
      });
      const groups: string[][] = [];
      for await (const rows of result.stream()) groups.push(rows.map((row) => row.text));
      return groups;
    });
  }

  async command(statement: Statement, signal: AbortSignal): Promise<void> {
    await this.#client.command({
      query: statement.sql,
      query_params: { ...statement.params },
      clickhouse_settings: complete(statement.settings),
      abort_signal: signal,
    });
  }

  async insert(table: string, rows: EncodedRows, settings: Settings, signal: AbortSignal): Promise<void> {
    // The client's own insert takes objects only, and would encode them in one go.
    const { stream } = await this.#client.exec({
      query: `INSERT INTO ${table} FORMAT JSONEachRow`,
      values: Readable.from(rows.chunks, { objectMode: false }),
      clickhouse_settings: complete(settings),
      abort_signal: signal,
    });
    stream.resume();
    await finished(stream);
  }

  async ping(signal: AbortSignal): Promise<void> {
    const result = await this.#client.ping({ select: true, abort_signal: signal });
    if (!result.success) throw result.error;
  }

  async isAlive(signal: AbortSignal): Promise<void> {
    // Without a statement: a busy server answers this at once.
    const result = await this.#lifeline.ping({ select: false, abort_signal: signal });
    if (!result.success) throw result.error;
  }

  async close(): Promise<void> {
    await this.#lifeline.close();
    await this.#client.close();
  }
}

/** The answer comes when the statement has ended, so an error is never hidden behind rows that were sent before it. */
function complete(settings: Settings): ClickHouseSettings {
  return { ...settings, wait_end_of_query: 1 };
}
