import { ProtocolError } from "./errors.js";
import type { JsonObject, JsonValue } from "./json-value.js";

export interface LenientOptions {
  readonly maxDepth: number;
  /** Called for every key that its object had already. */
  readonly onDuplicateKey?: (key: string, depth: number) => void;
}

const loneSurrogates = /\p{Surrogate}/gu;

/** The text without U+0000 and with U+FFFD in place of surrogates that have no partner. */
export function repairText(text: string): string {
  const wellFormed = text.replace(loneSurrogates, "\ufffd");
  return wellFormed.includes("\0") ? wellFormed.replaceAll("\0", "") : wellFormed;
}

/**
 * The slow, exact reader behind `parseJson`, with the same promises. Its recursion is as deep as `maxDepth` at most.
 * @throws {ProtocolError} `ET_JSON_INVALID`; `ET_JSON_TOO_DEEP`
 */
export function parseLeniently(text: string, options: LenientOptions): JsonValue {
  const reader = new LenientReader(text.includes("\0") ? text.replaceAll("\0", "") : text, options);
  return reader.readDocument();
}

const numberToken = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const literals: readonly (readonly [text: string, value: null | boolean])[] = [
  ["null", null],
  ["true", true],
  ["false", false],
  ["NaN", null],
  ["Infinity", null],
  ["-Infinity", null],
];
const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);
/** Everything but quote, backslash and control characters. */
const plainRun = /[ !#-[\]-\uffff]*/y;
const whitespace = /[ \t\n\r]*/y;
const hexDigits = /^[0-9a-fA-F]{4}$/;

class LenientReader {
  readonly #text: string;
  readonly #options: LenientOptions;
  #at = 0;

  constructor(text: string, options: LenientOptions) {
    this.#text = text;
    this.#options = options;
  }

  readDocument(): JsonValue {
    const value = this.#readValue(1);
    this.#skip(whitespace);
    if (this.#at !== this.#text.length) throw this.#invalid();
    return value;
  }

  #readValue(depth: number): JsonValue {
    this.#skip(whitespace);
    switch (this.#text.charAt(this.#at)) {
      case "{":
        return this.#readObject(depth);
      case "[":
        return this.#readList(depth);
      case '"':
        return repairText(this.#readString());
      default:
        return this.#readScalar();
    }
  }

  #readObject(depth: number): JsonObject {
    this.#enter(depth);
    const object: JsonObject = {};
    if (this.#takes("}")) return object;
    do {
      this.#skip(whitespace);
      const key = repairText(this.#readString());
      if (this.#options.onDuplicateKey && Object.hasOwn(object, key)) this.#options.onDuplicateKey(key, depth);
      if (!this.#takes(":")) throw this.#invalid();
      setOwn(object, key, this.#readValue(depth + 1));
    } while (this.#takes(","));
    if (!this.#takes("}")) throw this.#invalid();
    return object;
  }

  #readList(depth: number): JsonValue[] {
    this.#enter(depth);
    const list: JsonValue[] = [];
    if (this.#takes("]")) return list;
    do list.push(this.#readValue(depth + 1));
    while (this.#takes(","));
    if (!this.#takes("]")) throw this.#invalid();
    return list;
  }

  #enter(depth: number): void {
    const { maxDepth } = this.#options;
    if (depth > maxDepth) throw new ProtocolError("ET_JSON_TOO_DEEP", { details: { maxDepth } });
    this.#at++;
  }

  #readString(): string {
    if (this.#text.charAt(this.#at) !== '"') throw this.#invalid();
    this.#at++;
    let result = "";
    for (;;) {
      result += this.#skip(plainRun);
      const mark = this.#text.charAt(this.#at++);
      if (mark === '"') return result;
      if (mark !== "\\") throw this.#invalid();
      result += this.#readEscape();
    }
  }

  #readEscape(): string {
    const letter = this.#text.charAt(this.#at++);
    if (letter === "u") {
      const digits = this.#text.slice(this.#at, this.#at + 4);
      if (!hexDigits.test(digits)) throw this.#invalid();
      this.#at += 4;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const meaning = escapes.get(letter);
    if (meaning === undefined) throw this.#invalid();
    return meaning;
  }

  #readScalar(): JsonValue {
    for (const [text, value] of literals) {
      if (!this.#text.startsWith(text, this.#at)) continue;
      this.#at += text.length;
      return value;
    }
    numberToken.lastIndex = this.#at;
    const match = numberToken.exec(this.#text);
    if (!match) throw this.#invalid();
    this.#at = numberToken.lastIndex;
    const [token, fraction, exponent] = match;
    const value = Number(token);
    if (fraction === undefined && exponent === undefined && !isExactInteger(value, token)) return token;
    return Number.isFinite(value) ? value : null;
  }

  /** Takes `mark` when it is the next thing behind white space. */
  #takes(mark: string): boolean {
    this.#skip(whitespace);
    if (this.#text.charAt(this.#at) !== mark) return false;
    this.#at++;
    return true;
  }

  #skip(run: RegExp): string {
    run.lastIndex = this.#at;
    const [skipped = ""] = run.exec(this.#text) ?? [];
    this.#at += skipped.length;
    return skipped;
  }

  #invalid(): ProtocolError {
    return new ProtocolError("ET_JSON_INVALID", { details: { offset: this.#at } });
  }
}

/** The next integer behind 2^53 reads as 2^53, so at the edge the digits decide. */
function isExactInteger(value: number, token: string): boolean {
  return Number.isSafeInteger(value) || (Math.abs(value) === 2 ** 53 && String(value) === token);
}

/** Assignment that treats `__proto__` as the plain key it is in JSON. */
export function setOwn(object: JsonObject, key: string, value: JsonValue): void {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[key] = value;
  }
}
