import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidEvent } from "./errors.js";
import { copyData, freezeParsed } from "./json-copy.js";

const jsonObject = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 4, stringUnit: "binary" }));

test("ES-029 the copy of any JSON object is equal to it and writes the same JSON", () => {
  fc.assert(
    fc.property(jsonObject, (data) => {
      const text = JSON.stringify(data);
      expect(JSON.stringify(copyData(data))).toBe(text);
      expect(copyData(data)).toEqual(JSON.parse(text));
    }),
  );
});

test("ES-029 the copy is frozen at every depth and shares no object with its source", () => {
  fc.assert(
    fc.property(jsonObject, (data) => {
      const theirs = new Set(objectsIn(data));
      for (const object of objectsIn(copyData(data))) {
        expect(Object.isFrozen(object)).toBe(true);
        expect(theirs.has(object)).toBe(false);
      }
    }),
  );
});

test("ES-029 any value that JSON cannot carry is refused wherever it stands, and the pointer leads to it", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.nat(3)), { minLength: 1, maxLength: 20 }), unfit, (path, value) => {
      const error = refusal(nest(path, value));
      expect(error.code).toBe("EVT_DATA_NOT_JSON");
      expect(error.details["pointer"]).toBe(`/data${path.map((token) => `/${escapeToken(token)}`).join("")}`);
    }),
  );
});

describe("ES-029 refused with EVT_DATA_NOT_JSON:", () => {
  const refusedValues: Record<string, unknown> = {
    "a function": () => 1,
    "a symbol": Symbol("x"),
    "a bigint": 1n,
    "a Date": new Date(0),
    "a Map": new Map(),
    "a Set": new Set(),
    "an instance of a class": new (class Money {
      cents = 5;
    })(),
    "an instance of a class without a parent": Object.create(class extends null {}.prototype),
    "a boxed number": Object(5),
    "an Error": new Error("no"),
    "a typed array": new Uint8Array(2),
    "a promise": Promise.resolve(),
    NaN: Number.NaN,
    Infinity: Number.POSITIVE_INFINITY,
    "-Infinity": Number.NEGATIVE_INFINITY,
    "a lone high surrogate": "\ud800",
    "a lone low surrogate": "a\udc00b",
  };
  test.each(Object.entries(refusedValues))("%s", (_, value) => {
    expect(refusal({ list: [1, { value }] })).toMatchObject({
      code: "EVT_DATA_NOT_JSON",
      details: { pointer: "/list/1/value" },
    });
  });

  test("undefined in an array", () => {
    expect(refusal({ list: [undefined] }).details).toEqual({ pointer: "/list/0" });
  });

  test("a hole in an array", () => {
    const list = [1, 2];
    delete list[0];
    expect(refusal({ list }).details).toEqual({ pointer: "/list/0" });
  });

  test("a lone surrogate in a key", () => {
    expect(refusal({ "\ud800": 1 }).code).toBe("EVT_DATA_NOT_JSON");
  });

  test("a cycle through an object", () => {
    const data: Record<string, unknown> = {};
    data["self"] = { data };
    expect(refusal(data).code).toBe("EVT_DATA_NOT_JSON");
  });

  test("a cycle through an array", () => {
    const list: unknown[] = [];
    list.push(list);
    expect(refusal({ list }).code).toBe("EVT_DATA_NOT_JSON");
  });

  test("a property that throws when it is read, with its error as cause", () => {
    const cause = new Error("not today");
    const data = {
      get broken() {
        throw cause;
      },
    };
    expect(refusal(data)).toMatchObject({ code: "EVT_DATA_NOT_JSON", cause });
  });
});

test("ES-029 64 levels are copied, 65 are refused", () => {
  expect(copyData(levels(64))).toEqual(levels(64));
  expect(refusal(levels(65))).toMatchObject({ code: "EVT_DATA_NOT_JSON", details: { pointer: "/in".repeat(64) } });
});

test("ES-029 arrays count as levels", () => {
  const nested = (depth: number): unknown => (depth === 0 ? [] : [nested(depth - 1)]);
  expect(() => copyData({ list: nested(62) })).not.toThrow();
  expect(refusal({ list: nested(63) }).code).toBe("EVT_DATA_NOT_JSON");
});

test("ES-029 a value that occurs twice is no cycle", () => {
  const shared = { deep: [1] };
  const copy = copyData({ left: shared, right: shared });
  expect(copy).toEqual({ left: { deep: [1] }, right: { deep: [1] } });
});

test("ES-029 members that are undefined are left out", () => {
  const copy = copyData({ a: undefined, b: { c: undefined, d: 1 } });
  expect(Object.keys(copy)).toEqual(["b"]);
  expect(Object.keys(copy.b)).toEqual(["d"]);
});

test("ES-029 toJSON is never called", () => {
  let called = false;
  const toJSON = (): string => {
    called = true;
    return "replaced";
  };
  expect(refusal({ value: { toJSON } })).toMatchObject({ details: { pointer: "/value/toJSON" } });
  const inherited = Object.create({ toJSON });
  expect(refusal({ inherited }).code).toBe("EVT_DATA_NOT_JSON");
  expect(called).toBe(false);
});

test("ES-029 keys that name parts of prototypes stay ordinary own properties", () => {
  const data = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"prototype":2}');
  const copy = copyData(data);
  expect(Object.keys(copy)).toEqual(["__proto__", "constructor", "prototype"]);
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
  expect(Object.getOwnPropertyDescriptor(copy, "__proto__")?.value).toEqual({ polluted: 1 });
  expect("polluted" in {}).toBe(false);
  expect(JSON.stringify(copy)).toBe(JSON.stringify(data));
});

test("ES-029 keys keep spelling, case and order", () => {
  const data = { iD: 1, ID: 2, "käse/~ ": 3, "": 4, id: 5 };
  expect(Object.keys(copyData(data))).toEqual(["iD", "ID", "käse/~ ", "", "id"]);
});

test("ES-029 later changes to the source do not show", () => {
  const data = { list: [{ name: "before" }] };
  const copy = copyData(data);
  data.list[0] = { name: "after" };
  data.list.push({ name: "more" });
  expect(copy).toEqual({ list: [{ name: "before" }] });
});

test("ES-029 writing to the copy throws at every depth", () => {
  const copy = copyData({ a: 1, list: [{ b: 2 }] });
  const write = (object: object | undefined, key: string) => () => Reflect.set(Object(object), key, 0);
  expect(() => {
    copy.a = 2;
  }).toThrow(TypeError);
  expect(() => copy.list.push({ b: 3 })).toThrow(TypeError);
  expect(write(copy.list[0], "b")()).toBe(false);
});

test("ES-029 a property is read once, so what was checked is what is kept", () => {
  let reads = 0;
  const data = {
    get value() {
      reads++;
      return reads === 1 ? "checked" : new Date(0);
    },
  };
  expect(copyData(data)).toEqual({ value: "checked" });
  expect(reads).toBe(1);
});

test("ES-029 plain objects of other realms and without a prototype are plain", () => {
  const foreign: unknown = runInNewContext("({ list: [{ a: 1 }] })");
  expect(copyData({ foreign, bare: Object.assign(Object.create(null), { b: 2 }) })).toEqual({
    foreign: { list: [{ a: 1 }] },
    bare: { b: 2 },
  });
});

test("ES-029 negative zero becomes the zero that subscribers will see", () => {
  expect(Object.is(copyData({ zero: -0 }).zero, 0)).toBe(true);
});

test.each([5, "text", true, null, undefined, [], [{ a: 1 }], () => 1, 5n, Symbol("x")])(
  "ES-026 data that is %s is refused with EVT_DATA_NOT_OBJECT",
  (data) => {
    expect(refusal(data)).toMatchObject({ code: "EVT_DATA_NOT_OBJECT", message: "Event data must be an object" });
  },
);

test("ES-054 parsed JSON is frozen in place at every depth, keys of prototypes included", () => {
  const parsed = JSON.parse('{"a":[{"b":{}}],"__proto__":{"c":[1]}}');
  expect(freezeParsed(parsed)).toBe(true);
  for (const object of objectsIn(parsed)) expect(Object.isFrozen(object)).toBe(true);
});

test("ES-054 parsed JSON may be as deep as data of an event, and no deeper", () => {
  expect(freezeParsed(levels(64))).toBe(true);
  expect(freezeParsed(levels(65))).toBe(false);
});

const unfit = fc.constantFrom<unknown>(1n, Number.NaN, Number.POSITIVE_INFINITY, new Date(0), new Map(), "\udfff");

/** The value at the end of a path of object keys and array indexes, below `data`. */
function nest(path: readonly (string | number)[], value: unknown): object {
  const inner = path.reduceRight<unknown>((below, token) => {
    if (typeof token === "number") return [...Array.from({ length: token }, () => "before"), below];
    const object = { before: [null, 0, "text", { deep: true }] };
    Object.defineProperty(object, token, { value: below, enumerable: true, configurable: true });
    return object;
  }, value);
  return { data: inner };
}

function escapeToken(token: string | number): string {
  return String(token).replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Objects nested `count` deep. */
function levels(count: number): object {
  return count === 1 ? {} : { in: levels(count - 1) };
}

function* objectsIn(value: unknown): Generator<object> {
  if (typeof value !== "object" || value === null) return;
  yield value;
  for (const key of Object.keys(value)) yield* objectsIn(Object.getOwnPropertyDescriptor(value, key)?.value);
}

function refusal(data: unknown): InvalidEvent {
  try {
    copyData(data);
  } catch (error) {
    if (error instanceof InvalidEvent) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
