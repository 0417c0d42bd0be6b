import fc from "fast-check";
import { expect, test } from "vitest";
import { ProtocolError } from "./errors.js";
import type { JsonValue } from "./json-value.js";
import { parseMessagePack } from "./message-pack.js";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

test.each<[string, JsonValue]>([
  ["c0", null],
  ["c2", false],
  ["c3", true],
  ["7f", 127],
  ["e0", -32],
  ["cc ff", 255],
  ["cd 0100", 256],
  ["ce ffffffff", 4294967295],
  ["cf 0000000100000000", 4294967296],
  ["cf ffffffffffffffff", "18446744073709551615"],
  ["d0 80", -128],
  ["d1 8000", -32768],
  ["d2 80000000", -2147483648],
  ["d3 8000000000000000", "-9223372036854775808"],
  ["ca 3fc00000", 1.5],
  ["cb 3ff8000000000000", 1.5],
  ["cb 7ff8000000000000", null],
  ["a3 666f6f", "foo"],
  ["d9 03 666f6f", "foo"],
  ["da 0003 666f6f", "foo"],
  ["db 00000003 666f6f", "foo"],
  ["a3 61 00 62", "ab"],
  ["a1 ff", "\ufffd"],
  ["c4 02 0102", null],
  ["92 01 a1 61", [1, "a"]],
  ["dc 0002 01 02", [1, 2]],
  ["dd 00000001 c0", [null]],
  ["81 a1 61 01", { a: 1 }],
  ["de 0001 a1 61 01", { a: 1 }],
  ["df 00000001 07 01", { "7": 1 }],
  ["d6 ff 00000000", "1970-01-01T00:00:00.000Z"],
  ["d7 ff 1dcd650000000001", "1970-01-01T00:00:01.125Z"],
  ["c7 0c ff 07735940 0000000000000001", "1970-01-01T00:00:01.125Z"],
  ["d4 05 00", null],
  ["c7 00 ff", null],
])("%s is %j", (bytes, value) => {
  expect(parseMessagePack(hex(bytes))).toEqual([value]);
});

test("values stand one after the other", () => {
  expect(parseMessagePack(hex("81a16101 81a16102"))).toEqual([{ a: 1 }, { a: 2 }]);
  expect(parseMessagePack(new Uint8Array(0))).toEqual([]);
});

test.each(["92 01", "a3 66", "dd ffffffff", "df ffffffff c0", "c1", "cd 01", "c6 ffffffff", "d7 ff 00"])(
  "%s is broken or cut off",
  (bytes) => {
    expect(() => parseMessagePack(hex(bytes))).toThrow(expect.objectContaining({ code: "ET_JSON_INVALID" }));
  },
);

test("depth is limited, and the stack is never at its end", () => {
  const nested = Buffer.concat([Buffer.alloc(100_000, 0x91), hex("01")]);
  expect(() => parseMessagePack(nested)).toThrow(expect.objectContaining({ code: "ET_JSON_TOO_DEEP" }));
  expect(parseMessagePack(hex("919101"), { maxDepth: 2 })).toEqual([[[1]]]);
});

test("names of objects' insides are names like others", () => {
  const [value] = parseMessagePack(hex("81 a9 5f5f70726f746f5f5f 81 a1 78 01"));
  expect(Object.keys(Object(value))).toEqual(["__proto__"]);
  expect(Reflect.get({}, "x")).toBeUndefined();
});

/** Writes what the tests need, in the longest form of each kind. */
function pack(value: JsonValue): Buffer {
  if (value === null) return hex("c0");
  if (typeof value === "boolean") return hex(value ? "c3" : "c2");
  if (typeof value === "number") {
    const number = Buffer.alloc(9, 0xcb);
    number.writeDoubleBE(value, 1);
    return number;
  }
  const head = (type: number, length: number): Buffer => {
    const bytes = Buffer.alloc(5, type);
    bytes.writeUInt32BE(length, 1);
    return bytes;
  };
  if (typeof value === "string") return Buffer.concat([head(0xdb, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Array.isArray(value)) return Buffer.concat([head(0xdd, value.length), ...value.map(pack)]);
  const entries = Object.entries(value);
  return Buffer.concat([head(0xdf, entries.length), ...entries.flatMap(([key, item]) => [pack(key), pack(item)])]);
}

test("what was packed comes out as it was", () => {
  const text = fc.string({ unit: "grapheme" }).filter((one) => !one.includes("\0"));
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      text,
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(text, tie("value"), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, (one) => {
      expect(parseMessagePack(pack(one))).toEqual([one]);
    }),
  );
});

test("any bytes are read or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        JSON.stringify(parseMessagePack(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
    { numRuns: 2000 },
  );
});
