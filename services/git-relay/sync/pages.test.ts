import type { FilterJson } from "@signalbox/nostr";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EndHint, type PageLimits, Pager } from "./pages.js";

interface Item {
  readonly id: string;
  readonly at: number;
}
interface PeerModel {
  readonly events: readonly Item[];
  /** Events of one answer, at most. */
  readonly cap: number;
  readonly hints?: boolean;
}

const unknownPeer = (): PageLimits => ({ cap: undefined, probed: false, hints: false });
const cappedAt = (cap: number): PageLimits => ({ ...unknownPeer(), cap });

/** What a relay of the usual kind answers. */
function answer({ events, cap, hints }: PeerModel, filter: FilterJson): { items: readonly Item[]; hint: EndHint } {
  const since = Number(filter["since"] ?? Number.NEGATIVE_INFINITY);
  const until = Number(filter["until"] ?? Number.POSITIVE_INFINITY);
  const matching = events
    .filter(({ at }) => at >= since && at <= until)
    .sort((one, other) => other.at - one.at || (one.id < other.id ? -1 : 1));
  return {
    items: matching.slice(0, cap),
    hint: hints ? (matching.length > cap ? "more" : "finish") : undefined,
  };
}

function readAll(peer: PeerModel, filter: FilterJson = {}, limits = unknownPeer()) {
  const pager = new Pager(filter, limits);
  const seen = new Set<string>();
  const requests: FilterJson[] = [];
  let isOver = false;
  while (!isOver) {
    requests.push(pager.request);
    if (requests.length > 5_000) throw new Error("reading does not end");
    const { items, hint } = answer(peer, pager.request);
    for (const { id, at } of items) {
      seen.add(id);
      pager.take(id, at);
    }
    isOver = pager.end(hint) === "done";
  }
  return { seen, requests, pager, limits };
}

const items = (count: number, at: (index: number) => number): Item[] =>
  Array.from({ length: count }, (_, index) => ({ id: `id${String(index).padStart(5, "0")}`, at: at(index) }));

describe("reading in pages", () => {
  test("GR-296 a full page leads to the next one, which begins with the last second seen", () => {
    const { seen, requests, pager } = readAll(
      { events: items(250, (index) => 1_000 + index), cap: 100 },
      {},
      cappedAt(100),
    );
    expect(seen.size).toBe(250);
    expect(requests.slice(0, 2)).toEqual([{}, { until: 1_150 }]);
    expect(requests.map(({ until }) => until)).toEqual([undefined, 1_150, 1_051]);
    expect([pager.pages, pager.seen, pager.saturated]).toEqual([3, 250, false]);
  });

  test("GR-296 a peer that says it is finished is believed, whatever the size of the page", () => {
    const { requests, seen } = readAll({ events: items(500, (index) => index), cap: 500, hints: true });
    expect([requests.length, seen.size]).toEqual([1, 500]);
  });

  test("GR-296 a peer that says there is more is asked for more, however short the page is", () => {
    const { seen } = readAll({ events: items(95, (index) => index), cap: 10, hints: true });
    expect(seen.size).toBe(95);
  });

  test("GR-296 what the peer states as its limit tells when a page is full", () => {
    const { seen } = readAll({ events: items(95, (index) => index), cap: 20 }, {}, cappedAt(20));
    expect(seen.size).toBe(95);
  });

  test("GR-297 a peer of which nothing is known is asked for one page more once, and its limit is learnt", () => {
    const limits = unknownPeer();
    expect(readAll({ events: items(95, (index) => index), cap: 30 }, {}, limits).seen.size).toBe(95);
    expect(limits.cap).toBe(30);
    const first = readAll({ events: items(12, (index) => index), cap: 100 }, {}, unknownPeer());
    expect(first.requests).toHaveLength(2);
    const second = readAll({ events: items(12, (index) => index), cap: 100 }, {}, first.limits);
    expect(second.requests).toHaveLength(1);
  });

  test("GR-298 a second that holds more than one page is asked for by itself, then reading goes on before it", () => {
    const events = [
      ...items(300, () => 5_000),
      ...items(50, (index) => 100 + index).map((item) => ({ ...item, id: `x${item.id}` })),
    ];
    const { seen, requests, pager } = readAll({ events, cap: 100 }, {}, cappedAt(100));
    expect(requests).toContainEqual({ since: 5_000, until: 5_000, limit: 5_000 });
    expect(requests.at(-1)).toEqual({ until: 4_999 });
    expect(pager.saturated).toBe(true);
    for (const { id } of events.slice(300)) expect(seen).toContain(id);
  });

  test("GR-298 the next page never begins above the second before the last one", () => {
    const model = fc.record({
      times: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 400 }),
      cap: fc.integer({ min: 1, max: 120 }),
      hints: fc.boolean(),
      known: fc.boolean(),
    });
    fc.assert(
      fc.property(model, ({ times, cap, hints, known }) => {
        const events = items(times.length, (index) => times[index] ?? 0);
        const limits = known ? cappedAt(cap) : unknownPeer();
        const { seen, requests, pager } = readAll({ events, cap, hints }, {}, limits);
        const untils = requests.map(({ until }) => Number(until ?? Number.POSITIVE_INFINITY));
        for (let index = 2; index < untils.length; index++)
          expect(untils[index]).toBeLessThan(untils[index - 2] ?? Number.POSITIVE_INFINITY);
        // Nothing is lost unless more than a page is of one second, or the peer cuts without saying so.
        if ((hints || known || cap >= 75) && !pager.saturated) expect(seen.size).toBe(events.length);
      }),
    );
  });

  test("GR-298 a peer that ignores the end of the time asked for does not keep us reading", () => {
    const pager = new Pager({}, unknownPeer());
    let pages = 0;
    do {
      for (const { id, at } of items(100, (index) => 1_000 + index)) pager.take(id, at);
      pages++;
    } while (pager.end(undefined) === "more" && pages < 50);
    expect(pages).toBeLessThan(10);
  });

  test("GR-331 pages stay within the time that was asked for", () => {
    const { requests, seen } = readAll({ events: items(300, (index) => index), cap: 100 }, { since: 100 });
    expect(requests.every(({ since }) => since === 100)).toBe(true);
    expect(seen.size).toBe(200);
  });
});
