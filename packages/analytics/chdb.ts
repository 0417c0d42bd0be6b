import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { isMainThread } from "node:worker_threads";
import {
  type ClickHouseClient,
  type ClickHouseClientConfigOptions,
  ClickHouseLogLevel,
  createClient,
} from "@clickhouse/client";
import type { Analytics } from "./analytics.js";
import type { BoundParams } from "./bind-params.js";
import { lastHolder, lockHolder } from "./chdb-lock.js";
import { type AnalyticsDependencies, ClientAnalytics } from "./client-analytics.js";
import type { EncodedRows } from "./encode-rows.js";
import type { Engine, Settings, Statement } from "./engine.js";
import { AnalyticsError } from "./errors.js";
import { restoreFatalSignals } from "./fatal-signals.js";
import { Lane } from "./lane.js";
import { paramText, stringLiteral } from "./param-text.js";
import { splitLines } from "./split-lines.js";

export interface ChdbOptions extends AnalyticsDependencies {
  /** Data directory. Made when it does not exist. */
  readonly path: string;
  /**
   * Reads at one time, default 2. Each running call of the engine takes one thread of libuv's pool (`UV_THREADPOOL_SIZE`,
   * 4 by default), which files, DNS and compression need too.
   */
  readonly maxConcurrentReads?: number;
  /** Memory of the engine altogether, default 768 MiB. What does not fit fails with a retryable error. */
  readonly maxMemoryBytes?: number;
}

const mebibyte = 1024 * 1024;
const maxWaitingCalls = 256;
const maxStatementBytes = 64 * mebibyte;

/**
 * ClickHouse inside this process. One process holds a data directory at a time, on its main thread.
 * @throws {AnalyticsError} `ANALYTICS_LOCKED` naming the process that holds the directory, `ANALYTICS_MAIN_THREAD_ONLY`,
 * `ANALYTICS_OPEN_FAILED`.
 */
export async function openChdb(options: ChdbOptions): Promise<Analytics> {
  if (!isMainThread) throw new AnalyticsError("ANALYTICS_MAIN_THREAD_ONLY");
  const path = resolve(options.path);
  const holder = await lockHolder(path);
  if (holder !== undefined) throw locked(path, holder);
  const engine = await loadEngine(options.maxMemoryBytes ?? 768 * mebibyte, path);
  return new ClientAnalytics(new ChdbEngine(engine, options.maxConcurrentReads ?? 2), options);
}

function locked(path: string, pid: number): AnalyticsError {
  return new AnalyticsError("ANALYTICS_LOCKED", {
    message: `Process ${pid} holds the embedded analytics engine in ${path}`,
    details: { pid, path },
  });
}

interface OpenEngine {
  connect(): ChdbConnection;
  close(): void;
}

type ChdbConnection = ReturnType<typeof import("chdb/connection").createChdbConnection>;

/** Loading the engine maps 570 MB of code, so it happens only where chDB is used. */
async function loadEngine(maxMemoryBytes: number, path: string): Promise<OpenEngine> {
  // Read by the engine's allocator once, when it is loaded: freed memory goes back to the system within half a second.
  process.env["JE_MALLOC_CONF"] ??= "dirty_decay_ms:500,muzzy_decay_ms:0,narenas:2";
  const [{ Session }, { createChdbConnection }] = await Promise.all([import("chdb"), import("chdb/connection")]);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    // Server settings are taken from the first connection of the process alone; it stays open until the end.
    const anchor = new Session(path, { connectionArgs: serverSettings(maxMemoryBytes) });
    restoreFatalSignals();
    return { connect: () => createChdbConnection({ path }), close: () => anchor.close() };
  } catch (cause) {
    const pid = await lastHolder(path);
    throw new AnalyticsError("ANALYTICS_OPEN_FAILED", { cause, details: { path, last_pid: pid } });
  }
}

/** The engine's own defaults are meant for a machine of its own: caches of 5 GB, thousands of threads. */
function serverSettings(maxMemoryBytes: number): string[] {
  const settings: Settings = {
    max_server_memory_usage: maxMemoryBytes,
    mark_cache_size: 32 * mebibyte,
    index_mark_cache_size: 8 * mebibyte,
    primary_index_cache_size: 32 * mebibyte,
    query_condition_cache_size: 4 * mebibyte,
    compiled_expression_cache_size: 8 * mebibyte,
    max_thread_pool_free_size: 0,
  };
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
}

/** One connection and its client. It serves one statement at a time. */
interface Session {
  readonly client: ClickHouseClient;
  readonly connection: ChdbConnection;
}

class ChdbEngine implements Engine {
  readonly name = "chdb";
  readonly #open: OpenEngine;
  // A connection runs one statement at a time, so an insert must not stand in line behind a slow read or a deletion.
  readonly #reads: Lane<Session>;
  readonly #inserts: Lane<Session>;
  readonly #commands: Lane<Session>;
  readonly #pings: Lane<Session>;

  constructor(open: OpenEngine, maxConcurrentReads: number) {
    this.#open = open;
    const lane = (size: number): Lane<Session> =>
      new Lane(
        Array.from({ length: size }, () => connect(open)),
        { maxWaiting: maxWaitingCalls },
      );
    this.#reads = lane(maxConcurrentReads);
    this.#inserts = lane(1);
    this.#commands = lane(1);
    this.#pings = lane(1);
  }

  async *read(statement: Statement, signal: AbortSignal): AsyncGenerator<readonly string[], void, undefined> {
    const settings = { ...statement.settings, max_threads: Math.min(4, availableParallelism()) };
    yield* splitLines(await this.#reads.run(signal, (session) => execute(session, { ...statement, settings })));
  }

  async command(statement: Statement, signal: AbortSignal): Promise<void> {
    await this.#commands.run(signal, (session) => execute(session, statement));
  }

  async insert(table: string, rows: EncodedRows, settings: Settings, signal: AbortSignal): Promise<void> {
    await this.#inserts.run(signal, ({ connection }) =>
      // Settings of a raw insert are part of its statement: a token does not stay behind on the connection.
      connection.chdb.rawInsert({ table, values: inOnePiece(rows.chunks), format: "JSONEachRow", settings }),
    );
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#pings.run(signal, (session) => execute(session, { sql: "SELECT 1", params: {}, settings: {} }));
  }

  async close(): Promise<void> {
    for (const lane of [this.#reads, this.#inserts, this.#commands, this.#pings]) {
      for (const { client } of await lane.drain()) await client.close();
    }
    this.#open.close();
  }
}

function connect(open: OpenEngine): Session {
  const connection = open.connect();
  // chDB implements the interface of `@clickhouse/client-common`; the client has a copy of it whose classes are not the same
  // to the compiler.
  const clientConnection = connection as unknown as NonNullable<ClickHouseClientConfigOptions["connection"]>;
  const client = createClient({ connection: clientConnection, log: { level: ClickHouseLogLevel.OFF } });
  return { connection, client };
}

/**
 * Runs a statement and gives its result. `SET` binds parameters on this connection alone. The binding's own way of passing
 * parameters runs one statement at a time in the whole process. What is set stays on the connection, hence every statement sets
 * all settings it depends on, and `bindParams` has checked that each placeholder has a value of its own.
 */
async function execute({ client }: Session, { sql, params, settings }: Statement): Promise<Uint8Array> {
  const assignments = [...settingTexts(settings), ...paramTexts(params)];
  // The size of a statement is limited when it is parsed, so the limit goes before the parameters that may exceed it.
  const prefix =
    assignments.length === 0 ? "" : `SET max_query_size = ${maxStatementBytes}; SET ${assignments.join(", ")}; `;
  const { stream } = await client.exec({
    query: prefix + sql,
    clickhouse_settings: { default_format: "JSONEachRow" },
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return inOnePiece(chunks);
}

function inOnePiece(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  return chunks.length === 1 && only ? only : Buffer.concat(chunks);
}

function settingTexts(settings: Settings): string[] {
  return Object.entries(settings).map(
    ([name, value]) => `${name} = ${typeof value === "number" ? value : stringLiteral(value)}`,
  );
}

function paramTexts(params: BoundParams): string[] {
  return Object.entries(params).map(([name, value]) => `param_${name} = ${stringLiteral(paramText(value))}`);
}
