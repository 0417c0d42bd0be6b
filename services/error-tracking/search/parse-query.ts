import { invalidQuery } from "./query-error.js";

export const comparisons = [">", ">=", "<", "<="] as const;
export type Comparison = (typeof comparisons)[number];

/** One condition of a query; all of them must hold. */
export type Term =
  /** Contained in title, message or culprit. */
  | { readonly kind: "word"; readonly text: string; readonly offset: number }
  /** Whether there is any value. */
  | { readonly kind: "has"; readonly key: string; readonly negated: boolean; readonly offset: number }
  | {
      readonly kind: "key";
      readonly key: string;
      readonly negated: boolean;
      /** One of them must match; `*` stands for anything. */
      readonly values: readonly string[];
      readonly comparison?: Comparison | undefined;
      readonly offset: number;
    };

const maxLength = 1024;
const maxTerms = 30;

const key = /!?[A-Za-z_][\w.-]{0,199}:/y;
const space = /\s+/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
const bareWord = /[^\s"]+/y;
const bareValue = /[^\s"[\],]+/y;
const keyValue = /[^\s"]+/y;

/**
 * Reads `word "some words" key:value !key:"other value" key:[a, b] has:key key:>3`, terms joined by space.
 * @throws {QueryError} `ET_QUERY_INVALID` with the offset
 */
export function parseQuery(query: string): Term[] {
  if (query.length > maxLength) throw invalidQuery(maxLength, `a query has at most ${maxLength} characters`);
  const reader = createReader(query);
  const terms: Term[] = [];
  for (;;) {
    reader.match(space);
    const offset = reader.offset();
    if (reader.atEnd()) return terms;
    if (terms.length >= maxTerms) throw invalidQuery(offset, `a query has at most ${maxTerms} terms`);
    terms.push(readTerm(reader, offset));
  }
}

type Reader = ReturnType<typeof createReader>;

function createReader(query: string) {
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(query);
    if (found === null) return undefined;
    at += found[0].length;
    return found;
  };
  return {
    match,
    offset: () => at,
    atEnd: () => at >= query.length,
    next: () => query[at],
    ahead: (text: string) => query.startsWith(text, at),
    take(text: string): boolean {
      if (!query.startsWith(text, at)) return false;
      at += text.length;
      return true;
    },
    back(to: number): void {
      at = to;
    },
    quoted(): string {
      const found = match(quoted);
      if (found === undefined) throw invalidQuery(at, "a closing quotation mark is missing");
      return (found[1] ?? "").replaceAll(/\\(["\\])/g, "$1");
    },
  };
}

function readTerm(reader: Reader, offset: number): Term {
  const found = reader.match(key)?.[0];
  if (found !== undefined) {
    const term = readValue(reader, found, offset);
    if (term !== undefined) return term;
    reader.back(offset);
  }
  const text = reader.next() === '"' ? reader.quoted() : (reader.match(bareWord)?.[0] ?? "");
  if (text === "!" || text === "") throw invalidQuery(offset, "here belongs a word or a key");
  return { kind: "word", text, offset };
}

/** The rest of a term behind its key; undefined when it is rather a word of some text: `TypeError: x`, `std::bad_alloc`, `https://x`. */
function readValue(reader: Reader, found: string, offset: number): Term | undefined {
  const negated = found.startsWith("!");
  const name = found.slice(negated ? 1 : 0, -1);
  const next = reader.next();
  if (next === undefined || /\s/.test(next)) {
    if (!negated && /^[A-Z]/.test(name)) return undefined;
    throw invalidQuery(reader.offset(), "a value is missing behind the colon");
  }
  if (next === ":" || reader.ahead("//")) return undefined;
  if (next === "[" && name !== "has") return { kind: "key", key: name, negated, values: readList(reader), offset };
  const comparison = next === '"' ? undefined : readComparison(reader);
  if (reader.next() === "[" || (comparison !== undefined && name === "has"))
    throw invalidQuery(reader.offset(), "one value belongs here");
  const value = reader.next() === '"' ? reader.quoted() : (reader.match(keyValue)?.[0] ?? "");
  if (value === "" && next !== '"') throw invalidQuery(reader.offset(), "a value is missing");
  if (name === "has") return { kind: "has", key: value, negated, offset };
  return { kind: "key", key: name, negated, values: [value], comparison, offset };
}

function readComparison(reader: Reader): Comparison | undefined {
  for (const sign of [">=", "<=", ">", "<"] as const) if (reader.take(sign)) return sign;
  return undefined;
}

function readList(reader: Reader): string[] {
  const start = reader.offset();
  reader.take("[");
  const values: string[] = [];
  for (;;) {
    reader.match(space);
    const value = reader.next() === '"' ? reader.quoted() : reader.match(bareValue)?.[0];
    if (value === undefined) throw invalidQuery(reader.offset(), "a value of the list is missing");
    values.push(value);
    reader.match(space);
    if (reader.take("]")) return values;
    if (!reader.take(",")) throw invalidQuery(reader.atEnd() ? start : reader.offset(), "the list is not closed");
  }
}
