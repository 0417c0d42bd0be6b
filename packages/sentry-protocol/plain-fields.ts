import type { JsonValue } from "./json-value.js";

const lineFeed = 0x0a;
const space = 0x20;
const quote = 0x22;
const comma = 0x2c;
const zero = 0x30;
const colon = 0x3a;
const backslash = 0x5c;
const opening = 0x7b;
const closing = 0x7d;

/** More digits may lie beyond 2^53. */
const maxDigits = 15;

/** By byte: whether it may stand in a text as it is and is one character. */
const isPlain = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= space && byte < 0x7f && byte !== quote && byte !== backslash),
);

/** By byte: whether it is a hexadecimal digit in lower case. */
const isHex = Uint8Array.from({ length: 256 }, (_, byte) => Number(/[0-9a-f]/.test(String.fromCharCode(byte))));

/**
 * Walks over the fields of a JSON object that is a line of its own, in place. Taking an envelope apart is mostly reading
 * such lines, and a text and a parsed object for each would cost more than the two or three fields that are wanted.
 *
 * It knows what clients write nearly always: no white space but single spaces behind colons and commas, texts of
 * printable ASCII without escapes, whole numbers of at most 15 digits, and objects of these as values. At anything else
 * it gives up, which says nothing about the line: the full parser decides then.
 */
export class PlainFields {
  /** What the current value is. */
  kind: "text" | "number" | "object" = "text";
  /** Where the line ends, as soon as `next` has said that there is no more; -1 before, and when it gave up. */
  lineEnd = -1;
  readonly #bytes: Buffer;
  readonly #maxBytes: number;
  #limit = 0;
  #at = 0;
  #keyStart = 0;
  #keyEnd = 0;
  /** Of a text what is between its quotes, else all of it. */
  #valueStart = 0;
  #valueEnd = 0;

  /** Gives up at lines of more than `maxBytes`. */
  constructor(bytes: Buffer, maxBytes: number) {
    this.#bytes = bytes;
    this.#maxBytes = maxBytes;
  }

  /** Goes to the line that begins there; `next` is its first field then. */
  begin(start: number): void {
    this.lineEnd = -1;
    this.#limit = Math.min(this.#bytes.length, start + this.#maxBytes);
    // A field begins behind a comma or the opening brace.
    this.#at = this.#bytes[start] === opening ? start : this.#limit;
  }

  /** Moves to the next field; false at the end of the line, and where it gives up. */
  next(): boolean {
    const bytes = this.#bytes;
    if (this.#at >= this.#limit) return false;
    if (bytes[this.#at] === closing) return this.#endLine();
    const keyStart = this.#at + (bytes[this.#at + 1] === space ? 3 : 2);
    const keyEnd = endOfText(bytes, keyStart - 1);
    if (keyEnd < 0 || bytes[keyEnd + 1] !== colon) return this.#giveUp();
    const start = keyEnd + (bytes[keyEnd + 2] === space ? 3 : 2);
    this.#keyStart = keyStart;
    this.#keyEnd = keyEnd;
    return this.#readValue(start);
  }

  isKey(name: string): boolean {
    return this.#isAt(this.#keyStart, this.#keyEnd, name);
  }

  /** Whether the current value is that text. */
  isValue(text: string): boolean {
    return this.kind === "text" && this.#isAt(this.#valueStart, this.#valueEnd, text);
  }

  /** Whether the current value is a text of so many digits and letters from a to f. */
  isLowerHex(length: number): boolean {
    if (this.#valueEnd - this.#valueStart !== length) return false;
    for (let at = this.#valueStart; at < this.#valueEnd; at++) if (isHex[this.#bytes[at] ?? 0] !== 1) return false;
    return this.kind === "text";
  }

  /** The current value, which is a number. */
  number(): number {
    return digits(this.#bytes, this.#valueStart, this.#valueEnd);
  }

  value(): JsonValue {
    if (this.kind === "number") return this.number();
    const text = this.#bytes.toString("latin1", this.#valueStart, this.#valueEnd);
    return this.kind === "text" ? text : JSON.parse(text);
  }

  /** The current value when it is a time as `2026-01-31T09:30:00.125Z`, else undefined; the same as `Date.parse` says. */
  timeMs(): number | undefined {
    const at = this.#valueStart;
    const bytes = this.#bytes;
    if (this.kind !== "text" || this.#valueEnd - at !== 24 || bytes[at + 10] !== 0x54 || bytes[at + 23] !== 0x5a)
      return undefined;
    if (bytes[at + 4] !== 0x2d || bytes[at + 7] !== 0x2d || bytes[at + 19] !== 0x2e) return undefined;
    if (bytes[at + 13] !== colon || bytes[at + 16] !== colon) return undefined;
    const year = digits(bytes, at, at + 4);
    const month = digits(bytes, at + 5, at + 7);
    const day = digits(bytes, at + 8, at + 10);
    const hour = digits(bytes, at + 11, at + 13);
    const minute = digits(bytes, at + 14, at + 16);
    const second = digits(bytes, at + 17, at + 19);
    const millisecond = digits(bytes, at + 20, at + 23);
    const isDay = year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
    if (!isDay || !(hour < 24 && minute < 60 && second < 60 && millisecond >= 0)) return undefined;
    return Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
  }

  #isAt(start: number, end: number, text: string): boolean {
    if (end - start !== text.length) return false;
    for (let index = 0; index < text.length; index++)
      if (this.#bytes[start + index] !== text.charCodeAt(index)) return false;
    return true;
  }

  #readValue(start: number): boolean {
    const bytes = this.#bytes;
    const first = bytes[start];
    let next: number;
    if (first === quote) {
      this.kind = "text";
      this.#valueStart = start + 1;
      this.#valueEnd = endOfText(bytes, start);
      next = this.#valueEnd < 0 ? -1 : this.#valueEnd + 1;
    } else {
      this.kind = first === opening ? "object" : "number";
      this.#valueStart = start;
      next = first === opening ? endOfObject(bytes, start) : endOfNumber(bytes, start);
      this.#valueEnd = next;
    }
    if (next < 0 || (bytes[next] !== comma && bytes[next] !== closing)) return this.#giveUp();
    this.#at = next;
    return true;
  }

  #endLine(): boolean {
    const end = this.#at + 1;
    if (end === this.#bytes.length || this.#bytes[end] === lineFeed) this.lineEnd = end;
    return this.#giveUp();
  }

  #giveUp(): false {
    this.#at = this.#limit;
    return false;
  }
}

/** Where the closing quote of the text stands whose opening one is at `start`; -1 when it is not plain. */
function endOfText(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== quote) return -1;
  let at = start + 1;
  while (isPlain[bytes[at] ?? 0] === 1) at++;
  return bytes[at] === quote ? at : -1;
}

/** Where the whole number ends that begins at `start`; -1 when there is none, or not in its plain form. */
function endOfNumber(bytes: Uint8Array, start: number): number {
  let at = start;
  while (((bytes[at] ?? 0) - zero) >>> 0 < 10) at++;
  const digits = at - start;
  return digits === 0 || digits > maxDigits || (digits > 1 && bytes[start] === zero) ? -1 : at;
}

/** Where the object ends whose brace opens at `start`; -1 when it is empty or holds more than texts and numbers. */
function endOfObject(bytes: Uint8Array, start: number): number {
  let at = start;
  do {
    const keyEnd = endOfText(bytes, at + (bytes[at + 1] === space ? 2 : 1));
    if (keyEnd < 0 || bytes[keyEnd + 1] !== colon) return -1;
    const value = keyEnd + (bytes[keyEnd + 2] === space ? 3 : 2);
    if (bytes[value] === quote) {
      const textEnd = endOfText(bytes, value);
      if (textEnd < 0) return -1;
      at = textEnd + 1;
    } else {
      at = endOfNumber(bytes, value);
    }
  } while (bytes[at] === comma);
  return bytes[at] === closing ? at + 1 : -1;
}

/** The number that they are; NaN when they are not all digits. */
function digits(bytes: Uint8Array, start: number, end: number): number {
  let number = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - zero;
    if (digit >>> 0 > 9) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}
