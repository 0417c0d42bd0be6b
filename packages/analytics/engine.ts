import type { Analytics } from "./analytics.js";
import type { BoundParams } from "./bind-params.js";
import type { EncodedRows } from "./encode-rows.js";

export type Settings = Readonly<Record<string, string | number>>;

export interface Statement {
  readonly sql: string;
  readonly params: BoundParams;
  /** Complete: what is not named here has the engine's default, also after a statement that set it. */
  readonly settings: Settings;
}

/**
 * What differs between the places where ClickHouse runs. Errors are the client's own; each call rejects with the
 * signal's reason when it is aborted.
 */
export interface Engine {
  readonly name: Analytics["engine"];
  /** Groups of result rows, each row as JSON text. */
  read(statement: Statement, signal: AbortSignal): AsyncIterable<readonly string[]>;
  command(statement: Statement, signal: AbortSignal): Promise<void>;
  insert(table: string, rows: EncodedRows, settings: Settings, signal: AbortSignal): Promise<void>;
  ping(signal: AbortSignal): Promise<void>;
  /** Whether anybody is there at all, asked beside everything that is under way. Absent where nothing can hang by itself. */
  isAlive?(signal: AbortSignal): Promise<void>;
  /** Waits until the engine has finished everything, also what was aborted. */
  close(): Promise<void>;
}
