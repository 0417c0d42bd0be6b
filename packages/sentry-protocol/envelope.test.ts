import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Envelope,
  type EnvelopeLimits,
  type ItemHeader,
  ProtocolError,
  parseEnvelope,
  readEnvelope,
} from "./index.js";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const text = (view: Uint8Array): string => Buffer.from(view).toString();

/** What both readers say of an envelope, in a form that can be compared. */
interface Reading {
  readonly header: Envelope["header"] | undefined;
  readonly items: readonly (ItemHeader & { readonly payload: string })[];
  readonly code: string | undefined;
}

function readWhole(envelope: Uint8Array, limits?: EnvelopeLimits): Reading {
  try {
    const { header, items, error } = parseEnvelope(envelope, limits);
    return {
      header,
      items: items.map(({ type, length, attributes, payload }) => ({
        type,
        length,
        attributes,
        payload: Buffer.from(payload).toString("latin1"),
      })),
      code: error?.code,
    };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { header: undefined, items: [], code: error.code };
  }
}

async function readPieces(pieces: readonly Uint8Array[], limits?: EnvelopeLimits): Promise<Reading> {
  const items: (ItemHeader & { payload: string })[] = [];
  let header: Envelope["header"] | undefined;
  try {
    const envelope = await readEnvelope(arriving(pieces), limits);
    header = envelope.header;
    for await (const { type, length, attributes, payload } of envelope.items) {
      const parts: Uint8Array[] = [];
      for await (const part of payload) parts.push(part);
      items.push({ type, length, attributes, payload: Buffer.concat(parts).toString("latin1") });
    }
    return { header, items, code: undefined };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { header, items, code: error.code };
  }
}

async function* arriving(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

/** `envelope` cut at the given places. */
function cut(envelope: Uint8Array, places: readonly number[]): Uint8Array[] {
  const edges = [0, ...places.map((place) => place % (envelope.length + 1)).sort((a, b) => a - b), envelope.length];
  return edges.slice(1).map((end, index) => envelope.subarray(edges[index], end));
}

const randomItem = fc.record({
  type: fc.constantFrom("event", "attachment", "session", "made_up"),
  payload: fc.uint8Array({ maxLength: 60 }),
  announced: fc.boolean(),
});

const randomEnvelope = fc
  .record({ eventId: fc.option(fc.uuid()), items: fc.array(randomItem, { maxLength: 5 }), trailing: fc.boolean() })
  .map(({ eventId, items, trailing }) => {
    const parts = [JSON.stringify(eventId === null ? {} : { event_id: eventId })];
    const expected = items.map(({ type, payload, announced }) => {
      // Without an announced length a payload ends at its first line feed.
      const body = announced ? payload : payload.filter((byte) => byte !== 0x0a);
      parts.push(JSON.stringify(announced ? { type, length: body.length } : { type }));
      parts.push(Buffer.from(body).toString("latin1"));
      return { type, payload: Buffer.from(body).toString("latin1") };
    });
    const encoded = Buffer.from(parts.join("\n") + (trailing ? "\n" : ""), "latin1");
    return { encoded: new Uint8Array(encoded), expected, eventId: eventId?.replaceAll("-", "").toLowerCase() };
  });

const randomTime = fc.oneof(
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-12-31") }).map((date) => date.toISOString()),
  // One digit of a time is enough to make it none.
  fc
    .tuple(
      fc.constantFrom("2024-02-29T23:59:59.999Z", "2026-02-10T00:00:00.000Z"),
      fc.nat(23),
      fc.constantFrom(..."039:x"),
    )
    .map(([time, at, mark]) => time.slice(0, at) + mark + time.slice(at + 1)),
);

/** What stands in header lines, mostly as clients write it. */
const randomValue = fc.oneof(
  { weight: 3, arbitrary: fc.string({ maxLength: 12 }) },
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.nat(99),
  fc.constantFrom(0, -0.5, 2 ** 40, 999_999_999_999_999, 1e15, null, true, [1]),
  randomTime,
  fc.uuid().map((id) => id.replaceAll("-", "")),
  fc.dictionary(fc.string({ maxLength: 4 }), fc.oneof(fc.string({ maxLength: 6 }), fc.nat(), fc.constant(null)), {
    noNullPrototype: true,
  }),
);

const randomLine = (names: readonly [string, ...string[]]) =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.constantFrom(...names, "x", "__proto__"), randomValue), { maxLength: 4 }),
      fc.constantFrom(",", ", ", " ,"),
      fc.constantFrom(":", ": ", " :"),
      fc.constantFrom("", "", "\r", " ", "}"),
    )
    .map(([fields, comma, colon, end]) => {
      const members = fields.map(([name, value]) => `${JSON.stringify(name)}${colon}${JSON.stringify(value)}`);
      return `{${members.join(comma)}}${end}`;
    });

describe("parseEnvelope", () => {
  test("ET-035 header line, then header line and payload per item, with or without a last line feed", () => {
    for (const end of ["", "\n"]) {
      const { items, error } = parseEnvelope(bytes(`{}\n{"type":"event"}\n{"a":1}\n{"type":"session"}\n{}${end}`));
      expect(error).toBeUndefined();
      expect(items.map(({ type, payload }) => [type, text(payload)])).toEqual([
        ["event", '{"a":1}'],
        ["session", "{}"],
      ]);
    }
  });

  test("ET-035 a carriage return belongs to what precedes it", () => {
    const { items } = parseEnvelope(bytes('{}\r\n{"type":"event"}\r\nab\r\n'));
    expect(items.map(({ payload }) => text(payload))).toEqual(["ab\r"]);
    expect(readWhole(bytes('{}\r\n{"type":"event","length":2}\r\nab\r\n')).code).toBe("ET_ENVELOPE_MALFORMED");
  });

  test("ET-035 headers are objects in one line of at most 8 KiB", () => {
    const header = (length: number) => `{"x":"${"a".repeat(length - 8)}"}`;
    expect(readWhole(bytes(header(8192))).code).toBeUndefined();
    expect(readWhole(bytes(header(8193))).code).toBe("ET_ENVELOPE_MALFORMED");
    expect(readWhole(bytes(`{}\n${header(8192)}\n`))).toMatchObject({ items: [{}], code: undefined });
    expect(readWhole(bytes(`{}\n${header(8193)}\n`)).code).toBe("ET_ENVELOPE_MALFORMED");
    for (const broken of ["[]", "1", "null", "x", '{"a":', " ", '{"event_id":1,}'])
      expect(() => parseEnvelope(bytes(`${broken}\n{"type":"event"}\n{}`))).toThrow(
        expect.objectContaining({ code: "ET_ENVELOPE_MALFORMED", status: 400 }),
      );
  });

  test("ET-036 an announced length is exactly that many bytes, line feeds and all", () => {
    const { items, error } = parseEnvelope(
      bytes('{}\n{"type":"attachment","length":5}\na\nb\nc\n{"type":"event"}\n{}'),
    );
    expect(error).toBeUndefined();
    expect(items.map(({ payload }) => text(payload))).toEqual(["a\nb\nc", "{}"]);
  });

  test.each(["-1", "1.5", '"3"', "null", "true", "[]", "1e400", "9007199254740993", "12345678901234567890"])(
    "ET-036 a length of %s is malformed",
    (length) => {
      expect(readWhole(bytes(`{}\n{"type":"event","length":${length}}\nabc\n`)).code).toBe("ET_ENVELOPE_MALFORMED");
    },
  );

  test("ET-036 a length that is too long or too short is malformed", () => {
    expect(readWhole(bytes('{}\n{"type":"event","length":4}\nabc')).code).toBe("ET_ENVELOPE_MALFORMED");
    expect(readWhole(bytes('{}\n{"type":"event","length":2}\nabc')).code).toBe("ET_ENVELOPE_MALFORMED");
    expect(readWhole(bytes('{}\n{"type":"event","length":3}\nabc')).code).toBeUndefined();
  });

  test("ET-036 empty payloads are legal, with and without a length, also at the end", () => {
    for (const items of [
      '{"type":"a","length":0}\n\n{"type":"b"}\n',
      '{"type":"a"}\n\n{"type":"b","length":0}',
      '{"type":"a"}\n\n{"type":"b"}\n\n',
    ])
      expect(readWhole(bytes(`{}\n${items}`))).toMatchObject({
        items: [
          { type: "a", payload: "" },
          { type: "b", payload: "" },
        ],
        code: undefined,
      });
  });

  test("ET-037 an empty header and no item are legal, no bytes at all are not", () => {
    expect(readWhole(bytes("{}"))).toMatchObject({ items: [], code: undefined });
    expect(readWhole(bytes("{}\n"))).toMatchObject({ items: [], code: undefined });
    expect(() => parseEnvelope(bytes(""))).toThrow(expect.objectContaining({ code: "ET_BODY_EMPTY", status: 400 }));
  });

  test("ET-037 two send times are refused, however the second is spelled; values and nested ones do not count", () => {
    const at = '"2026-01-01T00:00:00Z"';
    for (const header of [
      `{"sent_at":${at},"sent_at":${at}}`,
      String.raw`{"sent_at":${at},"sent\u005fat":${at}}`,
      `{"sent_at":null,"a":"sent_at","sent_at":null}`,
    ])
      expect(readWhole(bytes(header)).code).toBe("ET_ENVELOPE_MALFORMED");
    for (const header of [
      `{"sent_at":${at},"sdk":{"sent_at":${at}}}`,
      `{"sent_at":${at},"a":"sent_at","b":["sent_at"]}`,
    ])
      expect(readWhole(bytes(header)).code).toBeUndefined();
  });

  test("ET-037 optional headers that cannot be used are dropped and noted", () => {
    const { header } = parseEnvelope(bytes('{"sent_at":"yesterday","trace":[],"sdk":"x","event_id":7,"more":1}'));
    expect(header).toEqual({
      eventId: undefined,
      dsn: undefined,
      sentAtMs: undefined,
      sdk: undefined,
      trace: undefined,
      dropped: ["event_id", "sent_at", "sdk", "trace"],
    });
    const good = parseEnvelope(bytes('{"sent_at":"2026-01-01T00:00:00.5Z","trace":{"a":1},"sdk":{"name":"x"}}')).header;
    expect(good).toMatchObject({ sentAtMs: 1767225600500, trace: { a: 1 }, sdk: { name: "x" }, dropped: [] });
    expect(parseEnvelope(bytes('{"sent_at":1767225600.5}')).header.sentAtMs).toBe(1767225600500);
    expect(parseEnvelope(bytes('{"sent_at":null,"trace":null}')).header.dropped).toEqual([]);
  });

  test("ET-022 the DSN of the header is read, and refused when it is none", () => {
    expect(parseEnvelope(bytes('{"dsn":"https://abc@h/7"}')).header.dsn).toMatchObject({ key: "abc", project: 7 });
    expect(parseEnvelope(bytes('{"dsn":null}')).header.dsn).toBeUndefined();
    expect(readWhole(bytes('{"dsn":"nonsense"}')).code).toBe("ET_DSN_INVALID");
    expect(readWhole(bytes('{"dsn":{}}')).code).toBe("ET_DSN_INVALID");
  });

  test("ET-038 unknown types and attributes are passed on as they are", () => {
    const { items } = parseEnvelope(bytes('{"x":1}\n{"type":"made_up","y":[2]}\nabc\n{"no":"type"}\n\n{"type":7}\n'));
    expect(items.map(({ type, attributes }) => [type, attributes])).toEqual([
      ["made_up", { type: "made_up", y: [2] }],
      ["", { no: "type" }],
      ["", { type: 7 }],
    ]);
  });

  test("ET-039 what arrived whole before the damage is kept", () => {
    for (const damage of ["nonsense", '{"type":"event","length":9}\nabc', '{"type":"event","length":1}\nabc\n', "\n"]) {
      const { items, error } = parseEnvelope(bytes(`{}\n{"type":"event"}\n{"a":1}\n{"type":"session"}\n{}\n${damage}`));
      expect(items.map(({ type }) => type)).toEqual(["event", "session"]);
      expect(error).toMatchObject({ code: "ET_ENVELOPE_MALFORMED", status: 400 });
    }
  });

  test("ET-040 event ids of any spelling become 32 lower-case digits, others none", () => {
    const idOf = (id: string) => parseEnvelope(bytes(JSON.stringify({ event_id: id }))).header.eventId;
    expect(idOf("FC6D8C0C-43FC-4630-AD85-0EE518F1B9D0")).toBe("fc6d8c0c43fc4630ad850ee518f1b9d0");
    expect(idOf("fc6d8c0c43fc4630ad850ee518f1b9d0")).toBe("fc6d8c0c43fc4630ad850ee518f1b9d0");
    for (const id of ["", "x", "../../etc/passwd", "fc6d8c0c43fc4630ad850ee518f1b9d", "0".repeat(32)])
      expect(idOf(id)).toBeUndefined();
  });

  test("ET-075 items beyond the limit are an error behind those within it", () => {
    const limits = { maxHeaderBytes: 8192, maxItems: 3 };
    const envelope = (items: number) => bytes(`{}\n${'{"type":"session"}\n{}\n'.repeat(items)}`);
    expect(parseEnvelope(envelope(3), limits).error).toBeUndefined();
    const { items, error } = parseEnvelope(envelope(4), limits);
    expect(items).toHaveLength(3);
    expect(error).toMatchObject({ code: "ET_ITEMS_TOO_MANY", status: 400 });
    expect(parseEnvelope(envelope(1000)).error).toBeUndefined();
    expect(parseEnvelope(envelope(1001)).error).toMatchObject({ code: "ET_ITEMS_TOO_MANY" });
  });

  test("payloads are views, not copies", () => {
    const envelope = bytes('{}\n{"type":"attachment","length":3}\nabc');
    const [item] = parseEnvelope(envelope).items;
    expect(item?.payload.buffer).toBe(envelope.buffer);
  });

  test("ET-035 ET-036 random envelopes come back item by item, whole and in pieces", async () => {
    await fc.assert(
      fc.asyncProperty(randomEnvelope, fc.array(fc.nat()), async ({ encoded, expected, eventId }, places) => {
        const whole = readWhole(encoded);
        expect(whole).toMatchObject({ items: expected, code: undefined });
        expect(whole.header?.eventId).toBe(eventId);
        expect(await readPieces(cut(encoded, places))).toEqual(whole);
      }),
    );
  });

  test("ET-035 ET-037 headers mean the same in the usual form and in any other, whole and in pieces", async () => {
    await fc.assert(
      fc.asyncProperty(
        randomLine(["event_id", "sent_at", "dsn", "sdk", "trace"]),
        randomLine(["type", "length", "filename"]),
        fc.option(fc.tuple(fc.nat(), fc.constantFrom(...'"{}:,\\ 0a\n'))),
        async (header, item, damage) => {
          const envelope = bytes(`${header}\n${item}\n123456789\n`);
          if (damage) envelope[damage[0] % envelope.length] = damage[1].charCodeAt(0);
          // In pieces each header is read by the full parser.
          expect(readWhole(envelope)).toEqual(await readPieces([envelope]));
        },
      ),
      { numRuns: 2000 },
    );
  });

  /** Something that only the full parser takes, to compare with. */
  const unusual = '"n":null,';

  test.each([
    "2026-01-31T09:30:00.125Z",
    "2024-02-29T00:00:00.000Z",
    "2026-02-30T00:00:00.000Z",
    "2026-04-31T00:00:00.000Z",
    "2026-01-32T00:00:00.000Z",
    "2026-02-29T00:00:00.000Z",
    "2026-00-10T00:00:00.000Z",
    "2026-13-10T00:00:00.000Z",
    "2026-12-00T00:00:00.000Z",
    "2026-12-28T23:59:59.999Z",
    "2026-12-28T24:00:00.000Z",
    "2026-12-28T24:00:00.001Z",
    "2026-12-28T00:60:00.000Z",
    "2026-12-28T00:00:60.000Z",
    "2026-12-28T00:00:00,000Z",
    "2026-12-28T00:00:00.0x0Z",
    "2026-12-28 00:00:00.000Z",
    "2026-12-28T00:00:00.000z",
    "2026-12-28T00.00.00.000Z",
    "2026/12/28T00:00:00.000Z",
    "-026-12-28T00:00:00.000Z",
    "0000-01-01T00:00:00.000Z",
    "0070-01-01T00:00:00.000Z",
    "1969-12-28T00:00:00.000Z",
    "1970-01-01T00:00:00.000Z",
    "9999-12-28T00:00:00.000Z",
  ])("ET-037 %s is the same time, or none, in a usual header and in any other", (time) => {
    const timeOf = (before: string) => parseEnvelope(bytes(`{${before}"sent_at":"${time}"}`)).header;
    expect(timeOf("")).toEqual(timeOf(unusual));
    const { sentAtMs = Number.NaN } = timeOf("");
    expect(sentAtMs).toBe(Date.parse(time));
  });

  test.each([
    "0",
    "3",
    "03",
    "00",
    "-0",
    "3.0",
    "3e0",
    "+3",
    "0x3",
    "",
    "1".repeat(15),
    "1".repeat(16),
    "1".repeat(17),
    "1".repeat(400),
  ])("ET-036 a length of %s is the same, or malformed, in a usual header and in any other", (length) => {
    const read = (before: string) => {
      const { items, code } = readWhole(bytes(`{}\n{${before}"length":${length}}\nabc`));
      return [items.map((item) => item.length), code];
    };
    expect(read("")).toEqual(read(unusual));
  });

  test.each(["", "}", " ", "\r", "\t", ",", "x"])(
    "ET-035 what follows a header, %j, is no part of a usual one",
    (end) => {
      const read = (before: string) => readWhole(bytes(`{}\n{${before}"type":"event"}${end}\nabc`)).code;
      expect(read("")).toBe(read(unusual));
    },
  );

  test("ET-039 cut and damaged envelopes are read alike whole and in pieces, and never throw anything else", async () => {
    await fc.assert(
      fc.asyncProperty(
        randomEnvelope,
        fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0x0a, 0x22, 0x7b, 0x7d))), { maxLength: 4 }),
        fc.nat(),
        fc.array(fc.nat(), { maxLength: 8 }),
        async ({ encoded }, flips, end, places) => {
          const damaged = Uint8Array.from(encoded);
          for (const [at, byte] of flips) damaged[at % damaged.length] = byte;
          const rest = damaged.subarray(0, end % (damaged.length + 1));
          expect(await readPieces(cut(rest, places))).toEqual(readWhole(rest));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("readEnvelope", () => {
  test("items that are left unread are skipped", async () => {
    const envelope = await readEnvelope(
      arriving(
        cut(
          bytes('{}\n{"type":"attachment","length":9}\n123456789\n{"type":"event"}\nabc\n{"type":"x"}\n'),
          [25, 40, 44],
        ),
      ),
    );
    const types: string[] = [];
    for await (const item of envelope.items) {
      types.push(item.type);
      // Stopping in the middle must not lose the position.
      if (item.type === "attachment") for await (const _piece of item.payload) break;
    }
    expect(types).toEqual(["attachment", "event", "x"]);
  });

  test("ending early ends the source, whether items were read or not", async () => {
    let ended = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield bytes('{}\n{"type":"event","length":1000000000}\nabc');
      } finally {
        ended++;
      }
    }
    const unread = await readEnvelope(source());
    await unread.close();
    expect(ended).toBe(1);
    for await (const item of (await readEnvelope(source())).items) {
      expect(item.type).toBe("event");
      break;
    }
    expect(ended).toBe(2);
    await expect(readEnvelope(arriving([bytes("broken\n")]))).rejects.toMatchObject({ code: "ET_ENVELOPE_MALFORMED" });
  });

  test("what the source throws comes out unchanged", async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield bytes('{}\n{"type":"event","length":10}\nabc');
      throw new RangeError("gone");
    }
    const { items } = await readEnvelope(failing());
    const read = async () => {
      for await (const item of items) for await (const _piece of item.payload);
    };
    await expect(read()).rejects.toThrow(RangeError);
  });

  test("many tiny pieces cost no more than their bytes", async () => {
    const payload = "x".repeat(100_000);
    const envelope = bytes(`{}\n{"type":"event"}\n${payload}\n`);
    const pieces = Array.from(envelope, (_, index) => envelope.subarray(index, index + 1));
    expect(await readPieces(pieces)).toMatchObject({ items: [{ payload }], code: undefined });
  });
});
