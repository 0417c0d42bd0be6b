import type { Principal, Scope } from "@signalbox/http";
import { canonicalCorrelationId, ulid } from "@signalbox/kernel";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SourceAnswer, TimelineQuery, TimelineSource } from "./timeline-source.js";

/** A source with a store that tests can write to. */
export interface SourceUnderTest {
  readonly source: TimelineSource;
  /** Makes `count` things happen under this correlation id, as given; resolves when `find` sees them. */
  happen(correlationId: string, count: number): Promise<void>;
  /** Rights with which everything that `happen` makes is visible. */
  readonly allowed: Partial<Principal>;
  /** Rights with which nothing of it is visible; absent where everybody with the route's scope sees everything. */
  readonly refused?: Partial<Principal>;
  close(): Promise<void>;
}

export interface SourceSubject {
  readonly name: string;
  create(): Promise<SourceUnderTest>;
}

/** The promises of `TimelineSource`. */
export function describeTimelineSource(subject: SourceSubject): void {
  describe(`timeline source ${subject.name}`, () => {
    let under: SourceUnderTest;

    beforeAll(async () => {
      under = await subject.create();
    });
    afterAll(() => under?.close());

    const ask = (correlationIds: readonly string[], changes: Partial<TimelineQuery> = {}): Promise<SourceAnswer> =>
      under.source.find({
        correlationIds,
        principal: principalWith(under.allowed),
        limit: 100,
        signal: new AbortController().signal,
        ...changes,
      });

    test("PF-070 finds everything that carries the id and nothing else", async () => {
      const [mine, other] = [ulid(), ulid()];
      await under.happen(mine, 2);
      await under.happen(other, 1);
      const { entries, hidden, truncated } = await ask([mine]);
      expect(entries.length).toBeGreaterThanOrEqual(2);
      expect([hidden, truncated]).toEqual([0, false]);
      const others = await ask([other]);
      const ids = [...entries, ...others.entries].map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      expect((await ask([mine, other])).entries).toHaveLength(ids.length);
      expect((await ask([ulid()])).entries).toEqual([]);
    });

    test("PF-070 each entry has kind, time, title, status and link, and is the same at each look", async () => {
      const mine = ulid();
      await under.happen(mine, 1);
      const { entries } = await ask([mine]);
      for (const entry of entries) {
        expect(entry.id.startsWith(`${entry.kind}:`)).toBe(true);
        expect(entry.title).not.toBe("");
        expect(entry.status).not.toBe("");
        if (entry.link !== undefined) expect(entry.link).toMatch(/^\/api\/v1\//);
        expect(Math.abs(entry.atMs - Date.now())).toBeLessThan(600_000);
      }
      const again = await ask([mine]);
      expect(new Set(again.entries.map(({ id }) => id))).toEqual(new Set(entries.map(({ id }) => id)));
    });

    test("PF-070 what was written under a UUID or hex digits is found under the canonical id", async () => {
      const hex = "019fc7b150ba45c9d4b0eb32941681cf";
      await under.happen(hex, 1);
      expect((await ask([canonicalCorrelationId(hex)])).entries.length).toBeGreaterThanOrEqual(1);
    });

    test("PF-070 gives no more than the limit, and says that there is more", async () => {
      const mine = ulid();
      await under.happen(mine, 3);
      const { entries, truncated } = await ask([mine], { limit: 2 });
      expect([entries.length, truncated]).toEqual([2, true]);
    });

    test("PF-070 tells of what the asker may not see only how much it is", async ({ skip }) => {
      if (!under.refused) return skip("everybody who may read the timeline may see this source");
      const mine = ulid();
      await under.happen(mine, 2);
      const { entries } = await ask([mine]);
      const refused = await ask([mine], { principal: principalWith(under.refused) });
      expect(refused).toEqual({ entries: [], hidden: entries.length, truncated: false });
    });
  });
}

function principalWith(rights: Partial<Principal>): Principal {
  return {
    subject: "reader",
    issuer: "signalbox",
    scopes: new Set<Scope>(["timeline:read"]),
    tokenId: "t",
    expiresAtMs: Number.MAX_SAFE_INTEGER,
    ...rights,
  };
}
