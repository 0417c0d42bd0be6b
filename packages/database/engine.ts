import type { ConnectionProvider, Dialect } from "kysely";
import type { BatchStatement, Engine, RunResult } from "./database.js";

/** What an engine adapter provides; `createDatabase` makes the port's promises out of it. */
export interface EngineAdapter {
  readonly engine: Engine;
  /** Compiles Kysely's queries; its driver is not used. */
  readonly dialect: Dialect;
  /** How long a group commit may take in members; on SQLite their work holds the event loop. */
  readonly maxGroupMs: number;
  /** A connection of one's own until `leave()`. SQLite has one, PostgreSQL a pool. */
  acquire(): Promise<Session>;
  /** Connections that only read. */
  readonly reader: ConnectionProvider;
  /** The engine's own form of a portable statement, for transactions that were opened elsewhere. */
  nativeSql(sql: string): string;
  notify(channel: string): void;
  listen(channel: string, onNotify: () => void): () => void;
  ping(): Promise<void>;
  /** Called once, after the last session was left. */
  close(): Promise<void>;
}

/** A connection that belongs to one caller. All methods reject with a `DatabaseError`. */
export interface Session {
  /** A statement with the engine's own placeholders, as Kysely compiles it. */
  query(sql: string, values: readonly unknown[]): Promise<SessionResult>;
  /** Portable statements, each once for each of its rows. Atomic only inside a transaction. */
  batch(statements: readonly BatchStatement[]): Promise<RunResult[]>;
  /**
   * Batches that each stand or fall alone; one outcome for each, in order. Outcomes end early when `mayGoOn` says no,
   * and after one that is `lost`.
   */
  batchApart(batches: readonly (readonly BatchStatement[])[], mayGoOn: () => boolean): Promise<BatchOutcome[]>;
  begin(options?: BeginOptions): Promise<void>;
  commit(): Promise<void>;
  /** Ends the transaction, also a broken one. Never rejects. */
  rollback(): Promise<void>;
  savepoint(): Promise<void>;
  releaseSavepoint(): Promise<void>;
  /** Undoes what came after the savepoint and forgets it. False when the whole transaction is gone. */
  rollbackToSavepoint(): Promise<boolean>;
  /** Gives the connection back. */
  leave(): void;
}

export interface SessionResult {
  readonly rows: unknown[];
  /** Rows changed by a write without `returning`. */
  readonly changes?: number | undefined;
  readonly insertId?: bigint | undefined;
}

interface BeginOptions {
  /** How long to wait for another process that writes. */
  readonly waitMs?: number | undefined;
  /** How long a statement may take instead of the engine's default; 0: no limit. */
  readonly timeoutMs?: number | undefined;
}

export type BatchOutcome =
  | { readonly kind: "done"; readonly results: RunResult[] }
  /** Only this one is undone. */
  | { readonly kind: "failed"; readonly error: unknown }
  /** The whole transaction is undone, as on a full disk or a broken connection. */
  | { readonly kind: "lost"; readonly error: unknown };
