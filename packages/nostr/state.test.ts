import { describe, expect, test } from "vitest";
import { commitOf } from "./pull-request.js";
import { isBranchOrTag } from "./ref-name.js";
import { readState } from "./state.js";
import { signEvent, signState, testSigner } from "./testing.js";

const alice = testSigner("alice");
const one = "1".repeat(40);
const two = "2".repeat(64);
const read = (...tags: string[][]) => readState(signEvent(alice, { kind: 30_618, tags: [["d", "x"], ...tags] }));
const refsOf = (...tags: string[][]) => {
  const state = read(...tags);
  return state.kind === "state" ? Object.fromEntries(state.state.refs) : state.reason;
};

describe("GR-553 the syntax of a state", () => {
  test("GR-553 branches and tags with object ids of both lengths", () => {
    expect(
      readState(signState(alice, "x", { "refs/heads/main": one, "refs/tags/v1": two, HEAD: "ref: refs/heads/main" })),
    ).toMatchObject({ state: { pubkey: alice.publicKey, identifier: "x", head: "refs/heads/main" } });
    expect(refsOf(["refs/heads/main", one, "extra"], ["refs/tags/v1", two])).toEqual({
      "refs/heads/main": one,
      "refs/tags/v1": two,
    });
    expect(refsOf()).toEqual({});
  });

  test("GR-553 what is neither branch, tag nor HEAD takes no part, peeled tags neither", () => {
    expect(refsOf(["refs/notes/x", "nonsense"], ["refs/heads", "x"], ["t", "x"], ["refs/tags/v1^{}", one])).toEqual({});
  });

  test("GR-553 symbolic values are resolved inside the state", () => {
    expect(
      refsOf(["refs/heads/a", "ref: refs/heads/b"], ["refs/heads/b", "ref: refs/tags/c"], ["refs/tags/c", one]),
    ).toEqual({ "refs/heads/a": one, "refs/heads/b": one, "refs/tags/c": one });
    expect(read(["refs/heads/a", "ref: refs/heads/b"]).kind).toBe("invalid");
    expect(read(["refs/heads/a", "ref: refs/heads/b"], ["refs/heads/b", "ref: refs/heads/a"]).kind).toBe("invalid");
    expect(read(["refs/heads/a", "refs/heads/b"], ["refs/heads/b", one]).kind).toBe("invalid");
  });

  test("GR-553 HEAD names a branch, with or without the prefix, also one that is not there yet", () => {
    for (const value of ["refs/heads/main", "ref: refs/heads/main"])
      expect(read(["HEAD", value])).toMatchObject({ state: { head: "refs/heads/main" } });
    for (const value of ["", one, "main", "refs/tags/v1", "ref: refs/heads/a..b"])
      expect(read(["HEAD", value]).kind).toBe("invalid");
  });

  test.each([
    ["a bad id", [["refs/heads/a", "1".repeat(39)]]],
    ["an id in capitals", [["refs/heads/a", "A".repeat(40)]]],
    ["no value", [["refs/heads/a"]]],
    [
      "two values",
      [
        ["refs/heads/a", one],
        ["refs/heads/a", two],
      ],
    ],
    [
      "a file and a directory",
      [
        ["refs/heads/a", one],
        ["refs/heads/a/b", one],
      ],
    ],
    [
      "a file and a deep directory",
      [
        ["refs/heads/a/b/c", one],
        ["refs/heads/a", one],
      ],
    ],
  ])("GR-553 %s is invalid", (_, tags) => {
    expect(read(...tags).kind).toBe("invalid");
  });

  test("GR-553 the same value twice is one value", () => {
    expect(refsOf(["refs/heads/a", one], ["refs/heads/a", one])).toEqual({ "refs/heads/a": one });
  });

  // git check-ref-format says the same of each of them, but for the leading hyphen, which is ours.
  test.each(["main", "a/b", "a.b", "ünï", "a@b", "@", "a-b", "v1.0"])("GR-553 %j names a branch", (name) => {
    expect(isBranchOrTag(`refs/heads/${name}`)).toBe(true);
  });

  test.each([
    "",
    "a..b",
    "a b",
    "a~b",
    "a^b",
    "a:b",
    "a?b",
    "a*b",
    "a[b",
    "a\\b",
    "a@{b",
    "a\u0001",
    "a\u007f",
    ".a",
    "a/.b",
    "-a",
    "a/-b",
    "a.lock",
    "a.lock/b",
    "a/",
    "a//b",
    "a.",
    "/a",
  ])("GR-553 %j names no branch", (name) => {
    expect(isBranchOrTag(`refs/heads/${name}`)).toBe(false);
    if (name !== "") expect(read([`refs/heads/${name}`, one]).kind).toBe("invalid");
  });

  test("GR-138 a pull request names its commit", () => {
    const commit = (...tags: string[][]) => commitOf(signEvent(alice, { kind: 1618, tags }));
    expect(commit(["c", one])).toBe(one);
    expect(commit(["c", two], ["c", one])).toBe(two);
    for (const value of ["", "1".repeat(41), "A".repeat(40), `-${"1".repeat(39)}`])
      expect(commit(["c", value])).toBeUndefined();
    expect(commit()).toBeUndefined();
  });
});
