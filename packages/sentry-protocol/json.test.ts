import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeUtf8,
  isJsonObject,
  type JsonValue,
  ProtocolError,
  parseJson,
  parseJsonObject,
  repairText,
} from "./index.js";
import { parseLeniently } from "./lenient-json.js";

const read = (text: string, maxDepth?: number): JsonValue =>
  parseJson(Buffer.from(text), maxDepth === undefined ? {} : { maxDepth });
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

describe("parseJson", () => {
  test("is JSON.parse for everything that JSON.stringify makes, in both readers", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes("\\u0000") && !/\d{16}/.test(text));
        expect(read(text)).toEqual(JSON.parse(text));
        expect(parseLeniently(text, { maxDepth: 200 })).toEqual(JSON.parse(text));
      }),
    );
  });

  test("ET-034 bare NaN and infinities outside strings become null", () => {
    expect(read('{"a":NaN,"b":[Infinity,-Infinity],"c":"NaN, -Infinity"}')).toEqual({
      a: null,
      b: [null, null],
      c: "NaN, -Infinity",
    });
    expect(read("NaN")).toBeNull();
    expect(read('{"a":NaN,"b":1e999}')).toEqual({ a: null, b: null });
    expect(read('{"a":1,"b":[-1e999]}')).toEqual({ a: 1, b: [null] });
  });

  test("ET-034 integers beyond 2^53 keep every digit as strings", () => {
    expect(read('{"a":12345678901234567890,"b":-9007199254740993,"c":9007199254740992,"d":9007199254740993}')).toEqual({
      a: "12345678901234567890",
      b: "-9007199254740993",
      c: 2 ** 53,
      d: "9007199254740993",
    });
    expect(read("[-12345678901234567890]")).toEqual(["-12345678901234567890"]);
    expect(read("12345678901234567890")).toBe("12345678901234567890");
    expect(read('{"a":1.2345678901234567890,"b":0.00000000000000000001,"c":"12345678901234567890"}')).toEqual({
      a: Number("1.2345678901234567890"),
      b: 1e-20,
      c: "12345678901234567890",
    });
  });

  test("ET-034 a long integer is found wherever it stands", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 80 }),
        fc.bigInt({ min: 2n ** 53n + 1n, max: 2n ** 80n }),
        fc.boolean(),
        (pad, value, minus) => {
          const digits = `${minus ? "-" : ""}${value}`;
          expect(read(`{"${"p".repeat(pad)}":[1,${digits}, ${digits} ,{"x":${digits}}]}`)).toEqual({
            ["p".repeat(pad)]: [1, digits, digits, { x: digits }],
          });
        },
      ),
    );
  });

  test("ET-034 a byte-order mark is skipped", () => {
    expect(read('\ufeff{"a":1}')).toEqual({ a: 1 });
    expect(read("\ufeff12345678901234567890")).toBe("12345678901234567890");
  });

  test("ET-034 lone surrogates become U+FFFD, pairs stay", () => {
    expect(read(String.raw`{"a\ud800":"x\udc00y","b":"\ud83d\ude00","c":"\\ud800"}`)).toEqual({
      "a\ufffd": "x\ufffdy",
      b: "😀",
      c: "\\ud800",
    });
  });

  test("ET-034 invalid UTF-8 inside a payload becomes U+FFFD", () => {
    const bytes = Buffer.concat([Buffer.from('{"a":"x'), Buffer.from([0xff, 0xc3]), Buffer.from('"}')]);
    expect(parseJson(bytes)).toEqual({ a: "x\ufffd\ufffd" });
  });

  test("ET-034 U+0000 is removed, escaped and raw, from keys and values", () => {
    expect(read(String.raw`{"a\u0000b":"\u0000c\u0000","d":["\\u0000"]}`)).toEqual({ ab: "c", d: ["\\u0000"] });
    expect(read('{"a\0b":"\0c",\0"d":\0 1}')).toEqual({ ab: "c", d: 1 });
  });

  test("ET-034 of equal keys the last wins, also of keys that become equal", () => {
    expect(read('{"a":1,"b":2,"a":3}')).toEqual({ a: 3, b: 2 });
    expect(read('{"a":1,"b":NaN,"a":3}')).toEqual({ a: 3, b: null });
    expect(read(String.raw`{"a":1,"a\u0000":2}`)).toEqual({ a: 2 });
  });

  test("__proto__ is a key like any other and changes no prototype", () => {
    for (const text of [
      '{"__proto__":{"x":1}}',
      '{"__proto__":{"x":1},"y":NaN}',
      String.raw`{"__proto__":{"x":"\u0000"}}`,
    ]) {
      const value = read(text);
      expect(Object.keys(value ?? {})).toContain("__proto__");
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }
    expect(Object.hasOwn(Object.prototype, "x")).toBe(false);
  });

  test("ET-076 200 levels are read, 201 are not, and no depth overflows the stack", () => {
    expect(() => read(nested(200))).not.toThrow();
    for (const text of [
      nested(201),
      nested(100_000),
      "[".repeat(1_000_000),
      `{"a":${'{"a":'.repeat(5000)}`,
      `[NaN,${nested(100_000)}]`,
    ])
      expect(() => read(text)).toThrow(ProtocolError);
    for (const text of [nested(201), nested(100_000), `[NaN,${nested(300)}]`])
      expect(() => read(text)).toThrow(expect.objectContaining({ code: "ET_JSON_TOO_DEEP", status: 400 }));
    expect(() => read("[[1]]", 1)).toThrow(expect.objectContaining({ code: "ET_JSON_TOO_DEEP" }));
  });

  test.each([
    "",
    " ",
    "{",
    "[1,]",
    "{a:1}",
    "{'a':1}",
    "01",
    "+1",
    "1.",
    ".5",
    "nul",
    "NaNa",
    "-NaN",
    '"\n"',
    '"\\x41"',
    '"\\u12"',
    "[1 2]",
    '{"a"}',
    '{"a":1,}',
    "1 2",
    "\ufffd",
  ])("%j is no JSON", (text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "ET_JSON_INVALID", status: 400 }));
    expect(() => parseLeniently(text, { maxDepth: 200 })).toThrow(expect.objectContaining({ code: "ET_JSON_INVALID" }));
  });

  test("any bytes end in a value or in the protocol's error", () => {
    const seed = Buffer.from(
      String.raw`{"a":[1,-2.5e3,null,true],"b\u0041\ud83d":"x\u0000","c":12345678901234567890,"d":NaN}`,
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255))), fc.nat(seed.length), (flips, cut) => {
        const bytes = Buffer.from(seed);
        for (const [at, byte] of flips) bytes[at] = byte;
        try {
          const value = parseJson(bytes.subarray(0, cut));
          expect(JSON.stringify(value)).toBe(repairText(JSON.stringify(value)));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("both readers agree on every text that they both take", () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(...'{}[]",:\\0123456789eE.-tfn u'))),
        (json, flips) => {
          const letters = [...json];
          for (const [at, letter] of flips) letters[at % letters.length] = letter;
          const text = letters.join("");
          const outcome = (parse: () => unknown) => {
            try {
              return parse();
            } catch {
              return "refused";
            }
          };
          const bytes = Buffer.from(text);
          expect(outcome(() => parseJson(bytes))).toEqual(
            outcome(() => parseLeniently(decodeUtf8(bytes), { maxDepth: 200 })),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });
});

test("parseJsonObject takes objects only", () => {
  expect(parseJsonObject(Buffer.from("{}"))).toEqual({});
  for (const text of ["[]", "1", "null", '"x"'])
    expect(() => parseJsonObject(Buffer.from(text))).toThrow(expect.objectContaining({ code: "ET_JSON_INVALID" }));
  expect(isJsonObject(null)).toBe(false);
});
