import { describe, expect, test } from "vitest";
import { readReferences } from "./references.js";
import { embedsProtected, expirationOf, indexedTags, isProtected } from "./tags.js";
import { repositoryTag, signEvent, testSigner } from "./testing.js";

const alice = testSigner("alice");
const tagged = (...tags: string[][]) => signEvent(alice, { tags });

describe("tags", () => {
  test("GR-093 the end of an event is a number, or there is none", () => {
    expect(expirationOf(tagged(["expiration", "1700000000"]))).toBe(1_700_000_000);
    expect(expirationOf(tagged(["expiration", "0"], ["expiration", "9"]))).toBe(0);
    for (const text of ["", "soon", "-1", "1e9", "1.5", " 1", "9".repeat(40)])
      expect(expirationOf(tagged(["expiration", text]))).toBeUndefined();
    expect(expirationOf(tagged(["expiration"]))).toBeUndefined();
    expect(expirationOf(tagged())).toBeUndefined();
  });

  test("GR-096 an event is protected by its tag, a repost by what it embeds", () => {
    const inner = signEvent(alice, { tags: [["-"]] });
    expect(isProtected(inner)).toBe(true);
    expect(isProtected(tagged(["t", "-"]))).toBe(false);
    for (const kind of [6, 16]) {
      expect(embedsProtected(signEvent(alice, { kind, content: JSON.stringify(inner) }))).toBe(true);
      expect(embedsProtected(signEvent(alice, { kind, content: JSON.stringify(tagged(["t", "-"])) }))).toBe(false);
      for (const content of ["", "{", "null", "[]", '{"tags":1}', '{"tags":[1,null]}'])
        expect(embedsProtected(signEvent(alice, { kind, content }))).toBe(false);
    }
    expect(embedsProtected(signEvent(alice, { kind: 1, content: JSON.stringify(inner) }))).toBe(false);
  });

  test("GR-060 the first value of every one-letter tag is indexed, once", () => {
    expect(
      indexedTags(tagged(["e", "x", "y"], ["e", "x"], ["E", "x"], ["title", "x"], ["t"], ["1", "x"], ["t", ""])),
    ).toEqual([
      ["e", "x"],
      ["E", "x"],
      ["t", ""],
    ]);
  });

  test("GR-140 references are the ids and addresses of e, E, q, a, A and q tags", () => {
    const [, address] = repositoryTag(alice, "a:b");
    const ids = ["1", "2", "3"].map((digit) => digit.repeat(64));
    const event = tagged(
      ["e", ids[0] ?? ""],
      ["E", ids[1] ?? ""],
      ["q", ids[2] ?? ""],
      ["q", address],
      ["A", `30618:${alice.publicKey}:x`],
      ["a", "30617:nobody:x"],
      ["e", "short"],
      ["p", ids[0] ?? ""],
      ["e"],
    );
    expect(readReferences(event)).toEqual({ ids, addresses: [address, `30618:${alice.publicKey}:x`] });
  });
});
