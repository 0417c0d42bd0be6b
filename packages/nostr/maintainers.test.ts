import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { latestState, maintainerSet } from "./maintainers.js";

const key = (letter: string): string => letter.repeat(64);
const [a, b, c, d] = ["a", "b", "c", "d"].map(key) as [string, string, string, string];
const announcements = (lists: Record<string, string[]>) =>
  new Map(Object.entries(lists).map(([letter, maintainers]) => [key(letter), { maintainers: maintainers.map(key) }]));

describe("GR-600 maintainer sets", () => {
  test("GR-600 whoever a member lists is a member, with or without an announcement", () => {
    const set = maintainerSet(a, announcements({ a: ["b"], b: ["c"] }));
    expect([...set.members]).toEqual([
      [a, [a]],
      [b, [a, b]],
      [c, [a, b, c]],
    ]);
    expect(maintainerSet(b, announcements({ a: ["b"], b: ["c"] })).members.has(a)).toBe(false);
  });

  test("GR-600 circles end", () => {
    expect([...maintainerSet(a, announcements({ a: ["b"], b: ["a", "c"], c: ["a"] })).members.keys()]).toEqual([
      a,
      b,
      c,
    ]);
    expect([...maintainerSet(a, announcements({ a: ["a"] })).members.keys()]).toEqual([a]);
  });

  test("GR-601 reciprocal: a listed key joins when it lists a member itself", () => {
    const one = maintainerSet(a, announcements({ a: ["b", "c"], b: ["a"] }), "reciprocal");
    expect([...one.members.keys()]).toEqual([a, b]);
    expect([...one.invited]).toEqual([[c, [a]]]);
    // c lists b only, who becomes a member after c was looked at.
    const later = maintainerSet(a, announcements({ a: ["c", "b"], b: ["a"], c: ["b"] }), "reciprocal");
    expect([...later.members.keys()].sort()).toEqual([a, b, c]);
  });

  test("GR-602 what is no key is skipped, and a set has at most 1,000 members", () => {
    const odd = new Map([[a, { maintainers: ["npub1x", b, b.toUpperCase(), ""] }]]);
    const set = maintainerSet(a, odd);
    expect([...set.members.keys()]).toEqual([a, b]);
    expect(set.skipped).toEqual(["npub1x", b.toUpperCase(), ""]);
    const many = Array.from({ length: 1_500 }, (_, index) => index.toString(16).padStart(64, "0"));
    expect(maintainerSet(a, new Map([[a, { maintainers: many }]])).members.size).toBe(1_000);
  });

  test("GR-604 every member has a chain of listings that admits it", () => {
    const letters = fc.constantFrom("a", "b", "c", "d", "e");
    const graph = fc.dictionary(letters, fc.array(letters), { maxKeys: 5 });
    fc.assert(
      fc.property(graph, fc.constantFrom("listed" as const, "reciprocal" as const), (lists, mode) => {
        const known = announcements(lists);
        const set = maintainerSet(a, known, mode);
        for (const [member, chain] of set.members) {
          expect(chain[0]).toBe(a);
          expect(chain.at(-1)).toBe(member);
          for (const [place, from] of chain.slice(0, -1).entries())
            expect(known.get(from)?.maintainers).toContain(chain[place + 1]);
          if (mode === "reciprocal" && member !== a)
            expect(known.get(member)?.maintainers.some((listed) => set.members.has(listed))).toBe(true);
          for (const listed of known.get(member)?.maintainers ?? [])
            expect(set.members.has(listed) || set.invited.has(listed)).toBe(true);
        }
      }),
    );
  });

  test("GR-603 the newest state of a member governs, of two at one second the one with the lower id", () => {
    const state = (id: string, pubkey: string, createdAt: number) => ({ id, pubkey, createdAt });
    const members = maintainerSet(a, announcements({ a: ["b"] })).members;
    const states = [state("3", a, 5), state("1", d, 9), state("2", b, 7), state("0", a, 7)];
    expect(latestState(states, members)?.id).toBe("0");
    expect(latestState([...states].reverse(), members)?.id).toBe("0");
    expect(latestState([state("1", d, 9)], members)).toBeUndefined();
  });
});
