import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { orderEntries } from "./order.js";
import { relateEntries } from "./relate.js";
import type { EntryKind, TimelineEntry } from "./timeline-source.js";

function entry(id: string, atMs: number, rest: Partial<TimelineEntry> = {}): TimelineEntry {
  const kind = id.split(":")[0] as EntryKind;
  return { id, kind, atMs, title: id, status: "done", outcome: "ok", link: `/${id}`, ...rest };
}

const idsOf = (entries: readonly TimelineEntry[]) => entries.map(({ id }) => id);

describe("PF-070 the order", () => {
  test("PF-070 is that of time", () => {
    expect(idsOf(orderEntries([entry("event:b", 2), entry("error:c", 3), entry("journey:a", 1)]))).toEqual([
      "journey:a",
      "event:b",
      "error:c",
    ]);
  });

  test("PF-070 at one time puts causes first, whatever their ids", () => {
    const chain = [
      entry("event:z", 1),
      entry("event:m", 1, { causedBy: "event:z" }),
      entry("attempt:b", 1, { causedBy: "event:m" }),
      entry("error:a", 1, { causedBy: "event:m" }),
      entry("event:a", 1, { causedBy: "attempt:b" }),
    ];
    expect(idsOf(orderEntries(chain.toReversed()))).toEqual(["event:z", "event:m", "attempt:b", "error:a", "event:a"]);
  });

  test("PF-070 does not depend on the order of what is given, and survives causes in a circle or not there", () => {
    const some = fc.uniqueArray(
      fc.record({
        n: fc.integer({ min: 0, max: 12 }),
        atMs: fc.integer({ min: 0, max: 3 }),
        cause: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
      }),
      { selector: ({ n }) => n },
    );
    fc.assert(
      fc.property(some, fc.infiniteStream(fc.nat()), (drawn, shuffle) => {
        const entries = drawn.map(({ n, atMs, cause }) =>
          entry(`event:${n}`, atMs, cause === undefined ? {} : { causedBy: `event:${cause}` }),
        );
        const ordered = orderEntries(entries);
        expect(idsOf(ordered).toSorted()).toEqual(idsOf(entries).toSorted());
        const places = new Map(ordered.map(({ id }, place) => [id, place]));
        const acyclic = drawn.every(({ n, cause }) => cause === undefined || cause < n);
        for (const { id, causedBy, atMs } of ordered) {
          const cause = ordered.find((other) => other.id === causedBy);
          if (acyclic && cause && cause.atMs <= atMs)
            expect(places.get(cause.id) ?? 0).toBeLessThan(places.get(id) ?? 0);
        }
        if (!acyclic) return;
        const mixed = entries.map((each) => ({ each, key: shuffle.next().value })).sort((a, b) => a.key - b.key);
        expect(orderEntries(mixed.map(({ each }) => each))).toEqual(ordered);
      }),
    );
  });
});

describe("PF-071 relations", () => {
  const journey = entry("journey:checkout", 1, { status: "timed_out", outcome: "failed" });
  const paid = entry("event:paid", 2);
  const shipped = entry("event:shipped", 3, { causedBy: "event:paid" });
  const failed = entry("attempt:1", 4, { causedBy: "event:shipped", outcome: "failed", status: "retried" });
  const done = entry("attempt:2", 5, { causedBy: "event:paid" });
  const error = entry("error:e", 6, { causedBy: "event:shipped", status: "error", outcome: "failed" });
  const related = relateEntries([journey, paid, shipped, failed, done, error]);

  test("PF-071 a journey that failed lists errors and failed attempts", () => {
    expect(related.get("journey:checkout")).toEqual(["attempt:1", "error:e"]);
  });

  test("PF-071 an error lists its journey and the events that caused it, nearest first", () => {
    expect(related.get("error:e")).toEqual(["journey:checkout", "event:shipped", "event:paid"]);
  });

  test("PF-071 a failed attempt lists its journey and the errors of its event; what went well lists nothing", () => {
    expect(related.get("attempt:1")).toEqual(["journey:checkout", "error:e"]);
    expect(related.has("attempt:2")).toBe(false);
    expect(relateEntries([{ ...journey, outcome: "ok" }, error]).has("journey:checkout")).toBe(false);
  });

  test("PF-071 thousands that share one id do not list each other", () => {
    const journeys = Array.from({ length: 500 }, (_, n) =>
      entry(`journey:${n}`, n, { status: "failed", outcome: "failed" }),
    );
    const chain = Array.from({ length: 500 }, (_, n) => entry(`event:${n}`, n, { causedBy: `event:${n + 1}` }));
    const errors = Array.from({ length: 500 }, (_, n) => entry(`error:${n}`, n, { causedBy: `event:${n}` }));
    const lists = relateEntries([...journeys, ...chain, ...errors]);
    expect(lists.get("journey:499")).toEqual(errors.slice(0, 100).map(({ id }) => id));
    expect(lists.get("error:0")?.slice(99, 102)).toEqual(["journey:99", "event:0", "event:1"]);
    expect(Math.max(...[...lists.values()].map(({ length }) => length))).toBe(200);
  });
});
