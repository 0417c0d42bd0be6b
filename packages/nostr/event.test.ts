import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeEvent, readEvent } from "./event.js";
import { signEvent, testSigner } from "./testing.js";

const event = signEvent(testSigner("alice"), { tags: [["e", "x"], ["t"]], content: "hello" });
const read = (changes: object) => readEvent(JSON.parse(JSON.stringify({ ...event, ...changes })));

describe("GR-022 the shape of an event", () => {
  test("GR-022 seven fields of the right types are an event, whatever else stands beside them", () => {
    expect(read({ extra: 1, toString: "x" })).toEqual({ kind: "event", event });
    expect(Object.keys(JSON.parse(encodeEvent(event)))).toEqual([
      "id",
      "pubkey",
      "created_at",
      "kind",
      "tags",
      "content",
      "sig",
    ]);
  });

  test("GR-022 a number written with an exponent is an integer like any other", () => {
    const text = JSON.stringify(event).replace(/"created_at":\d+/, '"created_at":1e9');
    expect(readEvent(JSON.parse(text))).toMatchObject({ event: { created_at: 1_000_000_000 } });
    expect(read({ created_at: 2 ** 53 - 1 }).kind).toBe("event");
    expect(read({ created_at: 0 }).kind).toBe("event");
  });

  test.each<[string, object]>([
    ["id", { id: event.id.toUpperCase() }],
    ["id", { id: event.id.slice(1) }],
    ["id", { id: undefined }],
    ["pubkey", { pubkey: `${event.pubkey}00` }],
    ["pubkey", { pubkey: 1 }],
    ["sig", { sig: event.sig.slice(2) }],
    ["sig", { sig: event.sig.toUpperCase() }],
    ["kind", { kind: 65_536 }],
    ["kind", { kind: -1 }],
    ["kind", { kind: 1.5 }],
    ["kind", { kind: "1" }],
    ["created_at", { created_at: -1 }],
    ["created_at", { created_at: 2 ** 53 }],
    ["created_at", { created_at: 1.5 }],
    ["created_at", { created_at: null }],
    ["tags", { tags: {} }],
    ["tags", { tags: [[]] }],
    ["tags", { tags: ["e"] }],
    ["tags", { tags: [["e", 1]] }],
    ["tags", { tags: [["e", null]] }],
    ["content", { content: null }],
    ["content", { content: 1 }],
  ])("GR-022 a refusal names the field: %s", (field, changes) => {
    expect(read(changes)).toEqual({ kind: "invalid", reason: expect.stringContaining(field) });
  });

  test.each([null, [], "event", 1, true, undefined])("GR-022 %j is no event", (value) => {
    expect(readEvent(value).kind).toBe("invalid");
  });

  test("GR-022 whatever JSON arrives, reading it never throws", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => ["event", "invalid"].includes(readEvent(value).kind)));
  });

  test("GR-023 half a surrogate pair is invalid, in content and in tags", () => {
    expect(read({ content: "a\ud800b" })).toEqual({ kind: "invalid", reason: expect.stringContaining("content") });
    expect(read({ tags: [["t", "\udfff"]] })).toEqual({ kind: "invalid", reason: expect.stringContaining("tags") });
    expect(read({ content: "\u{1F600}", tags: [["t", "\u{10FFFF}"]] }).kind).toBe("event");
  });
});
