import { isKind, type NostrEvent } from "./event.js";
import { isHex32 } from "./hex.js";

/**
 * A filter (NIP-01). Between the conditions AND, between the values of one OR. A condition that is absent asks nothing;
 * one without values matches nothing.
 */
export interface Filter {
  readonly ids?: ReadonlySet<string>;
  readonly authors?: ReadonlySet<string>;
  readonly kinds?: ReadonlySet<number>;
  /** By letter: values of which the first value of a tag with that name has to be one. */
  readonly tags: ReadonlyMap<string, ReadonlySet<string>>;
  /** Seconds, inclusive; may be negative. */
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
  readonly search?: string;
}

/** The JSON of a filter. */
export type FilterJson = Readonly<Record<string, readonly (string | number)[] | number | string>>;

export type ReadFilter =
  | { readonly kind: "filter"; readonly filter: Filter }
  /** `unsupported`: a condition that is not known; `invalid`: a known one with a wrong value. */
  | { readonly kind: "invalid" | "unsupported"; readonly reason: string };

const tagKey = /^#[A-Za-z]$/;

/**
 * Reads the parsed JSON of a filter. Kinds out of range and malformed `#e` and `#p` values are legal and match nothing.
 */
export function readFilter(value: unknown): ReadFilter {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return invalid("a filter is not an object");
  const filter: { -readonly [Key in keyof Filter]: Filter[Key] } = { tags: new Map() };
  const tags = new Map<string, ReadonlySet<string>>();
  for (const [key, wanted] of Object.entries(value)) {
    if (key === "ids" || key === "authors") {
      if (!isList(wanted, isHex32)) return invalid(`${key} is not a list of 64 lower-case hex digits`);
      filter[key] = new Set(wanted);
    } else if (key === "kinds") {
      if (!isList(wanted, Number.isInteger)) return invalid("kinds is not a list of integers");
      filter.kinds = new Set(wanted.filter(isKind));
    } else if (key === "since" || key === "until") {
      if (!Number.isSafeInteger(wanted)) return invalid(`${key} is not an integer`);
      filter[key] = Number(wanted);
    } else if (key === "limit") {
      if (!Number.isSafeInteger(wanted) || Number(wanted) < 0) return invalid("limit is not an integer from 0");
      filter.limit = Number(wanted);
    } else if (key === "search") {
      if (typeof wanted !== "string") return invalid("search is not a string");
      filter.search = wanted;
    } else if (tagKey.test(key)) {
      if (!isList(wanted, isString)) return invalid(`${key} is not a list of strings`);
      tags.set(key.charAt(1), new Set(wanted));
    } else {
      return { kind: "unsupported", reason: `there is no filter condition ${JSON.stringify(key.slice(0, 40))}` };
    }
  }
  filter.tags = tags;
  return { kind: "filter", filter };
}

/** The JSON of a filter, ready for `JSON.stringify`. */
export function encodeFilter(filter: Filter): FilterJson {
  const { ids, authors, kinds, tags, since, until, limit, search } = filter;
  return {
    ...(ids && { ids: [...ids] }),
    ...(authors && { authors: [...authors] }),
    ...(kinds && { kinds: [...kinds] }),
    ...Object.fromEntries([...tags].map(([letter, values]) => [`#${letter}`, [...values]])),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(limit !== undefined && { limit }),
    ...(search !== undefined && { search }),
  };
}

/** Whether the event meets every condition; `limit` and `search` are none. */
export function matchesFilter(filter: Filter, event: NostrEvent): boolean {
  if (filter.ids && !filter.ids.has(event.id)) return false;
  if (filter.authors && !filter.authors.has(event.pubkey)) return false;
  if (filter.kinds && !filter.kinds.has(event.kind)) return false;
  if (filter.since !== undefined && event.created_at < filter.since) return false;
  if (filter.until !== undefined && event.created_at > filter.until) return false;
  for (const [letter, values] of filter.tags) {
    if (!event.tags.some(([name, value]) => name === letter && value !== undefined && values.has(value))) return false;
  }
  return true;
}

/** Whether no event can ever match. */
export function matchesNothing(filter: Filter): boolean {
  const { ids, authors, kinds, tags, since, until } = filter;
  if (ids?.size === 0 || authors?.size === 0 || kinds?.size === 0) return true;
  if (since !== undefined && until !== undefined && since > until) return true;
  return [...tags.values()].some((values) => values.size === 0);
}

/** How many values the lists of a filter hold. */
export function countFilterValues(filter: Filter): number {
  const { ids, authors, kinds, tags } = filter;
  const listed = (ids?.size ?? 0) + (authors?.size ?? 0) + (kinds?.size ?? 0);
  return [...tags.values()].reduce((sum, values) => sum + values.size, listed);
}

function isList<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[];
function isList(value: unknown, isItem: (item: unknown) => boolean): value is number[];
function isList(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function invalid(reason: string): ReadFilter {
  return { kind: "invalid", reason };
}
