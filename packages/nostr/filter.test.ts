import fc from "fast-check";
import { matchFilter as matchesElsewhere } from "nostr-tools";
import { describe, expect, test } from "vitest";
import type { NostrEvent } from "./event.js";
import { countFilterValues, encodeFilter, matchesFilter, matchesNothing, readFilter } from "./filter.js";

const hexOf = (digit: number): string => digit.toString(16).repeat(64);
const smallHex = fc.integer({ min: 0, max: 3 }).map(hexOf);
const smallKind = fc.constantFrom(1, 5, 1617, 30_617, 65_535);
const smallTime = fc.integer({ min: 0, max: 5 });
const tagText = fc.constantFrom("", "a", "b", hexOf(0), hexOf(1));

const someEvent: fc.Arbitrary<NostrEvent> = fc.record({
  id: smallHex,
  pubkey: smallHex,
  created_at: smallTime,
  kind: smallKind,
  tags: fc.array(
    fc
      .tuple(fc.constantFrom("e", "p", "t", "T", "title"), tagText, tagText)
      .chain((tag) => fc.integer({ min: 1, max: 3 }).map((length) => tag.slice(0, length))),
    { maxLength: 4 },
  ),
  content: fc.constant(""),
  sig: fc.constant(""),
});

const someFilter = fc.record(
  {
    ids: fc.array(smallHex, { maxLength: 3 }),
    authors: fc.array(smallHex, { maxLength: 3 }),
    kinds: fc.array(fc.oneof(smallKind, fc.constantFrom(-1, 65_536)), { maxLength: 3 }),
    since: fc.integer({ min: -2, max: 6 }),
    until: fc.integer({ min: -2, max: 6 }),
    limit: fc.integer({ min: 0, max: 5 }),
    "#e": fc.array(tagText, { maxLength: 3 }),
    "#t": fc.array(tagText, { maxLength: 3 }),
    "#T": fc.array(tagText, { maxLength: 3 }),
  },
  { requiredKeys: [] },
);

/** The rules again, one sentence each, over the JSON. */
function matchesNaively(filter: Readonly<Record<string, unknown>>, event: NostrEvent): boolean {
  return Object.entries(filter).every(([key, wanted]) => {
    const list: unknown[] = Array.isArray(wanted) ? wanted : [];
    if (key === "ids") return list.includes(event.id);
    if (key === "authors") return list.includes(event.pubkey);
    if (key === "kinds") return list.includes(event.kind);
    if (key === "since") return Number(wanted) <= event.created_at;
    if (key === "until") return Number(wanted) >= event.created_at;
    if (key === "limit") return true;
    return event.tags.some((tag) => `#${tag[0]}` === key && tag.length > 1 && list.includes(tag[1]));
  });
}

const parsed = (value: unknown) => {
  const read = readFilter(value);
  if (read.kind !== "filter") throw new Error(read.reason);
  return read.filter;
};

describe("GR-031 filters", () => {
  test("GR-031 conditions AND, values OR, times inclusive, the first value of a tag only", () => {
    fc.assert(
      fc.property(someFilter, someEvent, (json, event) => {
        const filter = parsed(json);
        expect(matchesFilter(filter, event)).toBe(matchesNaively(json, event));
        if (matchesNothing(filter)) expect(matchesFilter(filter, event)).toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });

  test("GR-031 agrees with another implementation where that keeps the protocol", () => {
    // It takes an empty text for a missing one, and zero for no time.
    const plain = someFilter.filter(({ since, until, ...lists }) => since !== 0 && until !== 0 && everyFull(lists));
    fc.assert(
      fc.property(plain, someEvent, (json, event) => {
        const theirs = matchesElsewhere(json, { ...event, tags: event.tags.map((tag) => [...tag]) });
        expect(matchesFilter(parsed(json), event)).toBe(theirs);
      }),
    );
  });

  test("GR-030 what was read can be written and read again", () => {
    fc.assert(
      fc.property(someFilter, (json) => {
        const filter = parsed(json);
        expect(parsed(JSON.parse(JSON.stringify(encodeFilter(filter))))).toEqual(filter);
      }),
    );
  });

  test("GR-030 negative times are legal, an empty list matches nothing", () => {
    const event = { id: hexOf(1), pubkey: hexOf(2), created_at: 5, kind: 1, tags: [["t", "x"]], content: "", sig: "" };
    expect(matchesFilter(parsed({ since: -5 }), event)).toBe(true);
    expect(matchesFilter(parsed({ until: -5 }), event)).toBe(false);
    for (const key of ["ids", "authors", "kinds", "#t"]) {
      expect(matchesFilter(parsed({ [key]: [] }), event)).toBe(false);
      expect(matchesNothing(parsed({ [key]: [] }))).toBe(true);
    }
    expect(matchesFilter(parsed({}), event)).toBe(true);
    expect(countFilterValues(parsed({ ids: [hexOf(1), hexOf(1)], kinds: [1, 2], "#t": ["x"] }))).toBe(4);
  });

  test("GR-030 kinds out of range and malformed values of #e and #p are legal and match nothing", () => {
    const event = { id: hexOf(1), pubkey: hexOf(2), created_at: 5, kind: 1, tags: [], content: "", sig: "" };
    expect(matchesFilter(parsed({ kinds: [65_536, -1] }), event)).toBe(false);
    expect(matchesFilter(parsed({ kinds: [70_000, 1] }), event)).toBe(true);
    expect(matchesFilter(parsed({ "#e": ["zz"], "#p": ["abc"] }), event)).toBe(false);
  });

  test.each([
    { ids: ["abc"] },
    { ids: [hexOf(10).toUpperCase()] },
    { ids: hexOf(1) },
    { authors: [hexOf(1).slice(1)] },
    { authors: [1] },
    { kinds: ["1"] },
    { kinds: [1.5] },
    { kinds: 1 },
    { since: "1" },
    { until: 1.5 },
    { since: null },
    { limit: -1 },
    { limit: 1.5 },
    { "#e": "x" },
    { "#e": [1] },
    { search: 1 },
    null,
    [],
    "x",
  ])("GR-030 %j is invalid", (json) => {
    expect(readFilter(json).kind).toBe("invalid");
  });

  test.each([{ "#ab": ["x"] }, { "#1": ["x"] }, { "#": ["x"] }, { "&t": ["x"] }, { id: [hexOf(1)] }, { limits: 1 }])(
    "GR-030 %j has a condition that is not supported",
    (json) => {
      expect(readFilter(json).kind).toBe("unsupported");
    },
  );

  test("GR-030 whatever JSON arrives, reading it never throws", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => typeof readFilter(value).kind === "string"));
  });
});

function everyFull(lists: object): boolean {
  return Object.values(lists).every((list) => !Array.isArray(list) || (list.length > 0 && !list.includes("")));
}
