import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressOf, compareNewestFirst, formatAddress, isNewerVersion, parseAddress } from "./address.js";
import { readDeletion } from "./deletion.js";
import { classOfKind } from "./kinds.js";
import { signEvent, testSigner } from "./testing.js";

const alice = testSigner("alice");
const bob = testSigner("bob");
const key = alice.publicKey;

describe("addresses", () => {
  test("the identifier may hold colons, and any other text", () => {
    expect(parseAddress(`30617:${key}:a:b:`)).toEqual({ kind: 30_617, pubkey: key, identifier: "a:b:" });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 65_535 }), fc.string({ unit: "binary" }), (kind, identifier) => {
        const address = { kind, pubkey: key, identifier };
        expect(parseAddress(formatAddress(address))).toEqual(address);
      }),
    );
  });

  test("kind and key have one spelling", () => {
    for (const text of [
      `030617:${key}:x`,
      `65536:${key}:x`,
      `x:${key}:x`,
      `30617:${key.toUpperCase()}:x`,
      `30617:${key}`,
      `30617:${key.slice(1)}:x`,
      "",
    ])
      expect(parseAddress(text)).toBeUndefined();
  });

  test("GR-026 kinds fall into classes", () => {
    const classes = (list: number[]) => new Set(list.map(classOfKind));
    expect(classes([0, 3, 10_000, 10_317, 19_999])).toEqual(new Set(["replaceable"]));
    expect(classes([20_000, 22_242, 29_999])).toEqual(new Set(["ephemeral"]));
    expect(classes([30_000, 30_617, 39_999])).toEqual(new Set(["addressable"]));
    expect(classes([1, 2, 4, 5, 1621, 9_999, 40_000, 65_535])).toEqual(new Set(["regular"]));
  });

  test("GR-026 only the first d tag of an addressable event counts, a missing one is empty", () => {
    const of = (kind: number, tags: string[][]) => addressOf(signEvent(alice, { kind, tags }))?.identifier;
    const twice = [
      ["d", "one"],
      ["d", "two"],
    ];
    expect(of(30_001, twice)).toBe("one");
    expect(of(30_001, [])).toBe("");
    expect(of(30_001, [["d"]])).toBe("");
    expect(of(10_001, [["d", "one"]])).toBe("");
    expect(of(1, [["d", "one"]])).toBeUndefined();
  });

  test("GR-027 the later version is kept, of two at one second the one with the lower id", () => {
    const older = { id: "a", created_at: 1 };
    const newer = { id: "b", created_at: 2 };
    const tied = { id: "c", created_at: 2 };
    expect(isNewerVersion(newer, older)).toBe(true);
    expect(isNewerVersion(older, newer)).toBe(false);
    expect(isNewerVersion(newer, tied)).toBe(true);
    expect(isNewerVersion(tied, newer)).toBe(false);
    expect(isNewerVersion(tied, tied)).toBe(false);
    expect([older, tied, newer].sort(compareNewestFirst)).toEqual([newer, tied, older]);
  });

  test("GR-090 a deletion names ids and its author's own addresses", () => {
    const id = signEvent(bob).id;
    const deletion = readDeletion(
      signEvent(alice, {
        kind: 5,
        tags: [
          ["e", id],
          ["e", id],
          ["e", "nonsense"],
          ["a", `30617:${key}:x:y`],
          ["a", `30617:${bob.publicKey}:x`],
          ["a", `1:${key}:x`],
          ["a", `10002:${key}:`],
          ["a", `10002:${key}:x`],
        ],
      }),
    );
    expect(deletion).toEqual({
      ids: [id],
      addresses: [
        { kind: 30_617, pubkey: key, identifier: "x:y" },
        { kind: 10_002, pubkey: key, identifier: "" },
      ],
    });
    expect(readDeletion(signEvent(alice))).toBeUndefined();
  });
});
