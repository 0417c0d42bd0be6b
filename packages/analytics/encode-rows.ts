import { createPace } from "@signalbox/kernel";
import { AnalyticsError } from "./errors.js";

/** Rows as they travel: one JSON object on each line. */
export interface EncodedRows {
  readonly rows: number;
  readonly bytes: number;
  readonly chunks: readonly Uint8Array[];
}

const chunkChars = 256 * 1024;

/**
 * Encodes rows without holding the event loop for long. `bigint` becomes a decimal string, `Date` ISO 8601, a lone
 * surrogate U+FFFD (the engine would refuse it).
 * @throws {AnalyticsError} `ANALYTICS_INSERT_REFUSED` when a row cannot be written as JSON; `details.row` is its position.
 */
export async function encodeRows(rows: readonly object[], signal?: AbortSignal): Promise<EncodedRows> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let text = "";
  const cut = (): void => {
    if (text === "") return;
    const chunk = Buffer.from(text);
    chunks.push(chunk);
    bytes += chunk.byteLength;
    text = "";
  };
  const pace = createPace();
  for (const [position, row] of rows.entries()) {
    text += `${encodeRow(row, position)}\n`;
    if (text.length >= chunkChars) cut();
    const pause = pace();
    if (pause) {
      await pause;
      signal?.throwIfAborted();
    }
  }
  cut();
  return { rows: rows.length, bytes, chunks };
}

/** Rows that are JSON already, in one go: a few megabytes of them take a few milliseconds. */
export function encodeTexts(rows: readonly string[]): EncodedRows {
  const chunk = Buffer.from(rows.map((row, position) => `${encodeRow(row, position)}\n`).join(""));
  return { rows: rows.length, bytes: chunk.byteLength, chunks: [chunk] };
}

/** One row as it travels, its end of line included, as `encodeRows` encodes it. Throws what `JSON.stringify` throws. */
export function encodeLine(row: object): Uint8Array {
  return encoder.encode(`${wellFormed(toJson(row))}\n`);
}

const encoder = new TextEncoder();

/** Rows that were encoded one by one. */
export function joinLines(lines: readonly Uint8Array[]): EncodedRows {
  const bytes = Buffer.concat(lines);
  return { rows: lines.length, bytes: bytes.byteLength, chunks: [bytes] };
}

/** One batch of several, without copying. */
export function joinRows(parts: readonly EncodedRows[]): EncodedRows {
  return {
    rows: parts.reduce((sum, part) => sum + part.rows, 0),
    bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
    chunks: parts.flatMap((part) => part.chunks),
  };
}

function encodeRow(row: object | string, position: number): string {
  try {
    const json = typeof row === "string" ? row : toJson(row);
    if (!json.startsWith("{")) throw new TypeError("A row is an object");
    return wellFormed(json);
  } catch (cause) {
    throw new AnalyticsError("ANALYTICS_INSERT_REFUSED", { cause, details: { row: position } });
  }
}

function wellFormed(json: string): string {
  return json.includes("\\ud") ? json.replaceAll(loneSurrogate, "$1\\ufffd") : json;
}

/** `JSON.stringify` escapes exactly the surrogates that have no partner. Even numbers of backslashes before are text. */
const loneSurrogate = /(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g;

function toJson(row: object): string {
  try {
    return JSON.stringify(row) ?? "";
  } catch (error) {
    // A replacer makes encoding several times slower, so only rows that need one pay for it.
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(row, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value)) ?? "";
  }
}
