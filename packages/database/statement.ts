import type { SqlValue } from "./database.js";
import { DatabaseError } from "./errors.js";

/** What the adapters need to know of a portable statement. */
export interface PortableStatement {
  readonly sql: string;
  /** The same with `$1`, `$2`, … */
  readonly numbered: string;
  readonly parameters: number;
  /** Whether SQLite runs it outside of a transaction: it only reads, or it refuses to run inside of one. */
  readonly standsAlone: boolean;
}

const controlsTransactions = /^\s*(begin|start|commit|end|rollback|abort|savepoint|release|prepare)\b/i;
const standsAlone = /^\s*(select|values|explain|pragma|vacuum|attach|detach)\b/i;

/**
 * Reads a statement with `?` placeholders. Literals, quoted names and comments may hold question marks.
 * @throws {DatabaseError} `DATABASE_QUERY_FAILED` when the text holds more than one statement: SQLite would silently
 * run only the first. `DATABASE_UNSUPPORTED` when it begins or ends a transaction behind the port's back.
 */
export function readStatement(sql: string): PortableStatement {
  if (controlsTransactions.test(sql)) throw new DatabaseError("DATABASE_UNSUPPORTED");
  let numbered = "";
  let parameters = 0;
  let copied = 0;
  let ended = false;
  for (let at = 0; at < sql.length; ) {
    const next = skipOpaque(sql, at);
    if (next > at) {
      at = next;
      continue;
    }
    const character = sql[at];
    if (ended && character !== undefined && /\S/.test(character) && character !== ";")
      throw new DatabaseError("DATABASE_QUERY_FAILED", { message: "Only one statement may be sent at a time." });
    if (character === ";") ended = true;
    if (character === "?") {
      numbered += `${sql.slice(copied, at)}$${++parameters}`;
      copied = at + 1;
    }
    at++;
  }
  return { sql, numbered: numbered + sql.slice(copied), parameters, standsAlone: standsAlone.test(sql) };
}

/** Index after the literal, quoted name or comment that starts at `at`; `at` itself when none does. */
function skipOpaque(sql: string, at: number): number {
  const character = sql[at];
  if (character === "'" || character === '"') return afterQuote(sql, at, character);
  if (character === "-" && sql[at + 1] === "-") return endOr(sql, sql.indexOf("\n", at), 1);
  if (character === "/" && sql[at + 1] === "*") return endOr(sql, sql.indexOf("*/", at + 2), 2);
  return at;
}

function afterQuote(sql: string, at: number, quote: string): number {
  for (let end = sql.indexOf(quote, at + 1); end !== -1; end = sql.indexOf(quote, end + 2)) {
    if (sql[end + 1] !== quote) return end + 1;
  }
  return sql.length;
}

function endOr(sql: string, found: number, length: number): number {
  return found === -1 ? sql.length : found + length;
}

/**
 * Values as both engines take them. SQLite's driver turns `undefined` and NaN into NULL, cuts strings at NUL, keeps
 * the values of the previous execution for missing ones, and aborts the process on a boolean; PostgreSQL refuses some
 * of these. So they are checked here, the same for both.
 * @throws {DatabaseError} `DATABASE_INVALID_VALUE`
 */
export function checkValues(values: readonly unknown[]): readonly unknown[] {
  for (let index = 0; index < values.length; index++) {
    if (!isPlain(values[index])) return values.map(convertValue);
  }
  return values;
}

/** @throws {DatabaseError} `DATABASE_INVALID_VALUE` unless there is one value for each placeholder. */
export function checkCount(statement: PortableStatement, values: readonly unknown[]): void {
  if (values.length !== statement.parameters)
    throw invalidValue(`The statement has ${statement.parameters} placeholders, but got ${values.length} values.`);
}

function isPlain(value: unknown): boolean {
  if (typeof value === "string") return !value.includes("\0");
  if (typeof value === "number") return Number.isFinite(value);
  return value === null || value instanceof Uint8Array;
}

function convertValue(value: unknown, index: number): SqlValue {
  switch (typeof value) {
    case "string":
      if (value.includes("\0")) throw invalidValue(`Value ${index + 1} is a string with a NUL character.`);
      return value;
    case "number":
      if (!Number.isFinite(value)) throw invalidValue(`Value ${index + 1} is not a finite number.`);
      return value;
    case "bigint":
      if (!Number.isSafeInteger(Number(value))) throw invalidValue(`Value ${index + 1} is beyond ±2^53.`);
      return Number(value);
    case "boolean":
      return value ? 1 : 0;
    default:
      if (value === null || value instanceof Uint8Array) return value;
      throw invalidValue(`Value ${index + 1} is of type ${value instanceof Date ? "Date" : typeof value}.`);
  }
}

function invalidValue(message: string): DatabaseError {
  return new DatabaseError("DATABASE_INVALID_VALUE", { message });
}
