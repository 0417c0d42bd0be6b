import type { JsonObject, JsonValue } from "@signalbox/sentry-protocol";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyEvent } from "../testing/any-event.js";
import { normaliseEvent, type Receipt } from "./normalise-event.js";

const receivedAtMs = Date.UTC(2026, 5, 1, 12);
const receipt: Receipt = {
  eventId: "fc6d8c0c43fc4630ad850ee518f1b9d0",
  receivedAtMs,
  clientAddress: "203.0.113.9",
  correlationId: "request-1",
};

const loneSurrogate = /\p{Surrogate}/u;

const normalise = (raw: JsonObject, changes: Partial<Receipt> = {}) => normaliseEvent(raw, { ...receipt, ...changes });
const eventOf = (raw: JsonObject, changes: Partial<Receipt> = {}) => normalise(raw, changes).event;
const notesOf = (raw: JsonObject) => eventOf(raw).processing_errors ?? [];

describe("defects", () => {
  test("ET-130 a defect costs the field and is noted with its path and a short value; the rest stays", () => {
    const event = eventOf({
      level: "error",
      user: 5,
      exception: [
        { type: { a: 1 }, value: "boom", stacktrace: { frames: [{ function: "f", lineno: "x".repeat(500) }] } },
      ],
    });
    expect(event.exception?.values[0]?.value).toBe("boom");
    expect(event.exception?.values[0]?.stacktrace?.frames[0]?.function).toBe("f");
    expect(event.processing_errors?.map(({ type, name }) => [type, name])).toEqual([
      ["invalid_data", "exception.values.0.type"],
      ["invalid_data", "exception.values.0.stacktrace.frames.0.lineno"],
      ["invalid_data", "user"],
    ]);
    expect(event.processing_errors?.[1]?.value).toHaveLength(200);
  });

  test("ET-130 an empty list where a map belongs is no defect: some languages write empty maps so", () => {
    const empty = { user: [], extra: [], tags: [], contexts: [], request: [], modules: [], sdk: [], breadcrumbs: [] };
    const frame = { function: "f", vars: [] };
    expect(notesOf({ ...empty, exception: [{ type: "E", stacktrace: { frames: [frame] }, mechanism: [] }] })).toEqual(
      [],
    );
  });

  test("ET-130 at most 50 defects are noted", () => {
    const tags = Array.from({ length: 80 }, () => 1);
    expect(notesOf({ tags })).toHaveLength(50);
  });

  test("ET-130 any JSON object becomes an event that can be written as JSON again", () => {
    fc.assert(
      fc.property(anyEvent, (raw) => {
        const { event, timestampMs } = normalise(raw);
        expect(event.event_id).toBe(receipt.eventId);
        expect(Number.isSafeInteger(timestampMs)).toBe(true);
        JSON.parse(JSON.stringify(event));
      }),
      { numRuns: 300 },
    );
  });

  test("ET-130 normalising what was normalised changes nothing", () => {
    fc.assert(
      fc.property(anyEvent, (raw) => {
        const once: JsonObject = JSON.parse(JSON.stringify(eventOf(raw)));
        const { processing_errors: first, ...before } = once;
        const { processing_errors: second, ...after } = JSON.parse(JSON.stringify(eventOf(structuredClone(once))));
        expect(after).toEqual(before);
      }),
      { numRuns: 200 },
    );
  });

  test("ET-130 a key named __proto__ stays a key", () => {
    const raw: JsonObject = JSON.parse('{"extra":{"__proto__":{"polluted":1}},"__proto__":{"polluted":1}}');
    const event = eventOf(raw);
    expect(Object.getPrototypeOf(event)).toBe(Object.prototype);
    expect(JSON.stringify(event.extra)).toBe('{"__proto__":{"polluted":1}}');
    expect("polluted" in {}).toBe(false);
  });
});

describe("shapes", () => {
  const exception = { type: "E", value: "v" };

  test.each([
    ["{ values }", { values: [exception] }],
    ["a bare list", [exception]],
    ["a single object", exception],
    ["values with nulls", { values: [null, exception] }],
  ])("ET-131 exceptions as %s", (_shape, sent) => {
    expect(eventOf({ exception: sent }).exception?.values).toMatchObject([exception]);
  });

  test.each([
    ["{ values }", { values: [{ id: 1 }] }],
    ["a bare list", [{ id: 1 }]],
    ["a single object", { id: 1 }],
  ])("ET-131 threads as %s", (_shape, sent) => {
    expect(eventOf({ threads: sent }).threads?.values).toMatchObject([{ id: 1 }]);
  });

  test.each([
    ["{ values }", { values: [{ message: "m" }] }],
    ["a bare list", [{ message: "m" }, null]],
    ["a single object", { message: "m" }],
  ])("ET-131 breadcrumbs as %s", (_shape, sent) => {
    expect(eventOf({ breadcrumbs: sent }).breadcrumbs?.values).toMatchObject([{ message: "m" }]);
  });

  test.each([
    ["a map", { a: "1", b: 2, c: true, d: null }],
    ["pairs", [["a", "1"], ["b", 2], ["c", true], null]],
    [
      "objects",
      [
        { key: "a", value: "1" },
        { key: "b", value: 2 },
        { key: "c", value: true },
      ],
    ],
  ])("ET-131 tags as %s", (_shape, sent) => {
    expect(eventOf({ tags: sent as JsonValue }).tags).toEqual([
      ["a", "1"],
      ["b", "2"],
      ["c", "true"],
    ]);
  });

  test.each([
    ["maps", { headers: { "x-a": "1" }, cookies: { c: "2" }, query_string: { q: "3" }, env: { E: "4" } }],
    ["pairs", { headers: [["X-A", "1"]], cookies: [["c", "2"]], query_string: [["q", "3"]], env: { E: "4" } }],
    ["text", { headers: "x-a: 1", cookies: "c=2", query_string: "?q=3", env: { E: "4" } }],
  ])("ET-131 parts of the request as %s", (_shape, sent) => {
    expect(eventOf({ request: sent }).request).toMatchObject({
      headers: [["X-A", "1"]],
      cookies: [["c", "2"]],
      query_string: [["q", "3"]],
      env: { E: "4" },
    });
  });

  test.each([
    ["message as text", { message: "hello" }],
    ["message as object", { message: { formatted: "hello" } }],
    ["logentry as text", { logentry: "hello" }],
    ["logentry as object", { logentry: { formatted: "hello" } }],
    ["the legacy interface", { "sentry.interfaces.Message": { message: "hello" } }],
  ])("ET-131 %s", (_shape, sent) => {
    expect(eventOf(sent).logentry).toEqual({ formatted: "hello", message: undefined, params: undefined });
  });

  test("ET-131 a fingerprint as text, a stack trace at top level, a bare list of frames", () => {
    const event = eventOf({ fingerprint: "mine", stacktrace: [{ function: "f" }] });
    expect(event.fingerprint).toEqual(["mine"]);
    expect(event.stacktrace?.frames).toMatchObject([{ function: "f" }]);
  });

  test("ET-131 ids as number or text", () => {
    const event = eventOf({
      user: { id: 7 },
      threads: [{ id: "main" }, { id: 3 }],
      exception: { type: "E", thread_id: 3 },
    });
    expect(event.user?.id).toBe("7");
    expect(event.threads?.values.map(({ id }) => id)).toEqual(["main", 3]);
    expect(event.exception?.values[0]?.thread_id).toBe(3);
  });

  test("ET-131 null and scalar contexts are dropped, null debug_meta too", () => {
    const event = eventOf({ contexts: { os: null, runtime: "node", device: { model: "x" } }, debug_meta: null });
    expect(event.contexts).toEqual({ device: { model: "x" } });
    expect(event.debug_meta).toBeUndefined();
  });

  test("ET-131 nulls anywhere are absent fields", () => {
    const event = eventOf({
      level: null,
      release: null,
      user: null,
      tags: null,
      exception: [
        { type: "E", value: null, mechanism: null, stacktrace: { frames: [null, { function: null, vars: null }] } },
      ],
    });
    expect(event.exception?.values[0]?.stacktrace?.frames).toHaveLength(1);
    expect(event.processing_errors).toBeUndefined();
  });

  test("ET-131 legacy interface names and unknown keys", () => {
    const event = eventOf({
      "sentry.interfaces.Exception": [exception],
      "sentry.interfaces.Http": { url: "http://example.com/" },
      "sentry.interfaces.User": { id: "1" },
      my_field: { kept: [1, 2] },
    });
    expect(event.exception?.values).toMatchObject([exception]);
    expect(event.request?.url).toBe("http://example.com/");
    expect(event.user?.id).toBe("1");
    expect(event["my_field"]).toEqual({ kept: [1, 2] });
    expect(event["sentry.interfaces.Exception"]).toBeUndefined();
  });
});

describe("times", () => {
  test.each([
    ["RFC 3339 with zone", "2026-06-01T13:30:00.250+02:00", "2026-06-01T11:30:00.250Z"],
    ["RFC 3339 without zone", "2026-06-01T11:30:00", "2026-06-01T11:30:00.000Z"],
    ["microseconds", "2026-06-01T11:30:00.123456Z", "2026-06-01T11:30:00.123Z"],
    ["integer seconds", 1780313400, "2026-06-01T11:30:00.000Z"],
    ["float seconds", 1780313400.25, "2026-06-01T11:30:00.250Z"],
    ["numeric text", "1780313400.25", "2026-06-01T11:30:00.250Z"],
    ["60 s ahead", "2026-06-01T12:01:00Z", "2026-06-01T12:01:00.000Z"],
    ["30 days ago", "2026-05-02T12:00:00Z", "2026-05-02T12:00:00.000Z"],
  ])("ET-132 a timestamp as %s", (_form, timestamp, expected) => {
    const event = eventOf({ timestamp });
    expect(event.timestamp).toBe(expected);
    expect(event.processing_errors).toBeUndefined();
  });

  test.each([
    ["too far ahead", "2026-06-01T12:01:00.001Z", "future_timestamp"],
    ["too old", "2026-05-02T11:59:59.999Z", "past_timestamp"],
    ["unreadable", "yesterday", "invalid_timestamp"],
    ["not a time at all", { a: 1 }, "invalid_timestamp"],
    ["a month that does not exist", "2026-13-01T00:00:00Z", "invalid_timestamp"],
  ])("ET-132 a timestamp that is %s becomes the time of receipt, with a note", (_form, timestamp, type) => {
    const { event, timestampMs } = normalise({ timestamp });
    expect(timestampMs).toBe(receivedAtMs);
    expect(event.timestamp).toBe("2026-06-01T12:00:00.000Z");
    expect(event.processing_errors).toMatchObject([{ type, name: "timestamp" }]);
  });

  test("ET-132 an absent timestamp is the time of receipt, without a note", () => {
    expect(normalise({}).timestampMs).toBe(receivedAtMs);
    expect(notesOf({})).toEqual([]);
  });

  test("ET-133 a client clock that is off by 55 minutes or more is corrected, for breadcrumbs too", () => {
    const sentAtMs = receivedAtMs - 2 * 3_600_000;
    const event = eventOf(
      {
        timestamp: "2026-06-01T09:59:00Z",
        breadcrumbs: [{ timestamp: "2026-06-01T09:58:00Z" }],
        spans: [{ start_timestamp: 1780307880 }],
      },
      { sentAtMs },
    );
    expect(event.timestamp).toBe("2026-06-01T11:59:00.000Z");
    expect(event.breadcrumbs?.values[0]?.timestamp).toBe("2026-06-01T11:58:00.000Z");
    expect(event["spans"]).toEqual([{ start_timestamp: "2026-06-01T11:58:00.000Z" }]);
    expect(event.processing_errors).toMatchObject([{ type: "clock_drift" }]);
  });

  test("ET-133 a smaller difference is taken for queueing", () => {
    const event = eventOf({ timestamp: "2026-06-01T11:10:00Z" }, { sentAtMs: receivedAtMs - 54 * 60_000 });
    expect(event.timestamp).toBe("2026-06-01T11:10:00.000Z");
  });
});

describe("fields", () => {
  test.each([
    ["fatal", "fatal"],
    ["critical", "fatal"],
    ["warn", "warning"],
    ["Warning", "warning"],
    ["log", "info"],
    ["debug", "debug"],
    ["whatever", "error"],
    [40, "error"],
    [undefined, "error"],
  ])("ET-134 level %s is %s", (level, expected) => {
    expect(eventOf(level === undefined ? {} : { level }).level).toBe(expected);
  });

  test.each([
    ["absent", undefined, "production"],
    ["empty", "", "production"],
    ["usual", "staging", "staging"],
    ["a number", 7, "7"],
    ["64 characters", "e".repeat(64), "e".repeat(64)],
    ["65 characters", "e".repeat(65), "production"],
    ["with a slash", "a/b", "production"],
    ["with a line break", "a\nb", "production"],
  ])("ET-134 environment %s", (_form, environment, expected) => {
    expect(eventOf(environment === undefined ? {} : { environment }).environment).toBe(expected);
  });

  test.each([
    ["usual", " app@1.0 ", "app@1.0"],
    ["a number", 1.5, "1.5"],
    ["250 characters", "r".repeat(250), "r".repeat(250)],
    ["251 characters", "r".repeat(251), undefined],
    ["slashes only", "//", undefined],
    ["with a tab", "a\tb", undefined],
  ])("ET-134 release %s", (_form, release, expected) => {
    expect(eventOf({ release }).release).toBe(expected);
  });

  test("ET-134 dist is text and trimmed", () => {
    expect(eventOf({ dist: 42 }).dist).toBe("42");
    expect(eventOf({ dist: " x " }).dist).toBe("x");
  });

  test.each([
    ["percent list", { message: "a %s b %d", params: ["x", 2] }, "a x b 2"],
    ["percent names", { message: "%(who)s did", params: { who: "she" } }, "she did"],
    ["escaped percent", { message: "100%% of %s", params: ["it"] }, "100% of it"],
    ["braces", { message: "a {} b {}", params: ["x", 2] }, "a x b 2"],
    ["numbered braces", { message: "{1} {0}", params: ["x", "y"] }, "y x"],
    ["named braces", { message: "hi {name}", params: { name: "you" } }, "hi you"],
    ["too few parameters", { message: "a %s b %s", params: ["x"] }, "a %s b %s"],
    ["too many parameters", { message: "a %s", params: ["x", "y"] }, "a %s"],
    ["an unknown name", { message: "hi {name}", params: { other: 1 } }, "hi {name}"],
    ["an unknown verb", { message: "a %q", params: ["x"] }, "a %q"],
    ["no parameters", { message: "a %s" }, "a %s"],
  ])("ET-135 a template with %s", (_form, logentry, expected) => {
    expect(eventOf({ logentry }).logentry?.formatted).toBe(expected);
  });

  test("ET-135 the template is kept beside the text, alone it is the text, and nothing is dropped", () => {
    expect(eventOf({ logentry: { message: "a %s", params: ["x"] } }).logentry?.message).toBe("a %s");
    expect(eventOf({ logentry: { message: "alone" } }).logentry?.message).toBeUndefined();
    expect(eventOf({ logentry: { params: [1] } }).logentry).toBeUndefined();
  });

  test("ET-136 texts are cut to their limit", () => {
    const long = "x".repeat(20_000);
    const event = eventOf({
      message: long,
      transaction: long,
      exception: [{ type: long, value: long }],
      tags: { k: long },
      logger: long,
      my_text: long,
    });
    expect(event.logentry?.formatted).toHaveLength(8192);
    expect(event.transaction).toHaveLength(200);
    expect(event.exception?.values[0]?.type).toHaveLength(256);
    expect(event.exception?.values[0]?.value).toHaveLength(8192);
    expect(event.tags?.[0]?.[1]).toHaveLength(200);
    expect(Buffer.byteLength(String(event["my_text"]))).toBeLessThanOrEqual(16_384);
  });

  test("ET-136 cutting never splits a surrogate pair", () => {
    for (const lead of ["", "x"]) {
      const message = lead + "😀".repeat(5000);
      const cut = eventOf({ message }).logentry?.formatted ?? "";
      expect(cut.length).toBeGreaterThan(8188);
      expect(cut.length).toBeLessThanOrEqual(8192);
      expect(cut).not.toMatch(loneSurrogate);
      const unknown = eventOf({ unknown: message }).unknown;
      expect(String(unknown)).not.toMatch(loneSurrogate);
    }
  });

  test("ET-136 of long stacks, chains and thread lists the middle is removed and its range noted", () => {
    const frames = Array.from({ length: 300 }, (_, index) => ({ function: `f${index}` }));
    const event = eventOf({
      exception: Array.from({ length: 60 }, (_, index) => ({ type: `E${index}`, stacktrace: { frames } })),
      threads: Array.from({ length: 300 }, (_, index) => ({ id: index })),
    });
    const stack = event.exception?.values[0]?.stacktrace;
    expect(stack?.frames).toHaveLength(250);
    expect(stack?.frames[124]?.function).toBe("f124");
    expect(stack?.frames[125]?.function).toBe("f175");
    expect(stack?.frames_omitted).toEqual([125, 175]);
    expect(event.exception?.values).toHaveLength(50);
    expect(event.exception?.values.at(-1)?.type).toBe("E59");
    expect(event.threads?.values).toHaveLength(256);
    const ranges = event.processing_errors?.filter(({ type }) => type === "too_many");
    expect(ranges).toContainEqual({ type: "too_many", name: "exception", value: "25 to 34" });
    expect(ranges).toContainEqual({
      type: "too_many",
      name: "exception.values.0.stacktrace.frames",
      value: "125 to 174",
    });
  });

  test("ET-136 the newest breadcrumbs, the first tags and variables stay", () => {
    const event = eventOf({
      breadcrumbs: Array.from({ length: 150 }, (_, index) => ({ message: `m${index}` })),
      tags: Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`t${index}`, "v"])),
      stacktrace: {
        frames: [{ vars: Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`v${index}`, index])) }],
      },
    });
    expect(event.breadcrumbs?.values).toHaveLength(100);
    expect(event.breadcrumbs?.values.at(-1)?.message).toBe("m149");
    expect(event.tags).toHaveLength(100);
    expect(Object.keys(event.stacktrace?.frames[0]?.vars ?? {})).toHaveLength(50);
  });

  test("ET-136 contexts, extra and the request's body have byte limits", () => {
    const event = eventOf({
      contexts: { big: { a: "é".repeat(20_000) } },
      extra: Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`e${index}`, "y".repeat(30_000)])),
      request: { data: { body: "z".repeat(20_000) } },
    });
    expect(Buffer.byteLength(JSON.stringify(event.contexts?.["big"]))).toBeLessThanOrEqual(8 * 1024 + 64);
    expect(Buffer.byteLength(JSON.stringify(event.extra?.["e0"]))).toBeLessThanOrEqual(16 * 1024 + 64);
    expect(Buffer.byteLength(JSON.stringify(event.extra))).toBeLessThanOrEqual(257 * 1024);
    expect(Buffer.byteLength(JSON.stringify(event.request?.data))).toBeLessThanOrEqual(8 * 1024 + 64);
  });

  const settings = (inferIp: string) => ({ name: "sentry.javascript.browser", settings: { infer_ip: inferIp } });

  test.each([
    ["{{auto}} on any platform", { platform: "python", user: { ip_address: "{{auto}}" } }, "203.0.113.9"],
    ["absent in a browser", { platform: "javascript" }, "203.0.113.9"],
    ["absent on a server", { platform: "python", user: { id: "1" } }, undefined],
    ["given", { platform: "javascript", user: { ip_address: "2001:db8::1" } }, "2001:db8::1"],
    ["not an address", { platform: "javascript", user: { ip_address: "my laptop" } }, undefined],
    ["absent, from an SDK that asks for it", { platform: "dart", sdk: settings("auto") }, "203.0.113.9"],
    ["absent, from an SDK that must not tell it", { platform: "javascript", sdk: settings("never") }, undefined],
    [
      "{{auto}}, from an SDK that must not tell it",
      { platform: "javascript", user: { ip_address: "{{auto}}" }, sdk: settings("never") },
      undefined,
    ],
    [
      "given, from an SDK that infers none",
      { platform: "javascript", user: { ip_address: "2001:db8::1" }, sdk: settings("never") },
      "2001:db8::1",
    ],
    ["absent, with settings of no shape", { platform: "javascript", sdk: { settings: "never" } }, "203.0.113.9"],
  ])("ET-137 the user's address, %s", (_form, raw, expected) => {
    expect(eventOf(raw).user?.ip_address).toBe(expected);
  });
});

describe("correlation", () => {
  const trace = { trace_id: "0123456789abcdef0123456789abcdef" };
  const ofTrace = "014D2PF2DBSQQG28T5CY4TQKFF";

  test("ET-140 the tag comes first, then the trace, then the request; all in canonical form", () => {
    const id = (raw: JsonObject) => normalise(raw).correlationId;
    expect(id({ tags: { correlation_id: "order-17" }, contexts: { trace } })).toBe("order-17");
    expect(id({ tags: [["correlation_id", "01ARZ3NDEKTSV4RRFFQ69G5FAV".toLowerCase()]] })).toBe(
      "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    );
    expect(id({ contexts: { trace } })).toBe(ofTrace);
    expect(id({})).toBe("request-1");
    expect(normalise({}, { correlationId: "01234567-89ab-cdef-0123-456789abcdef" }).correlationId).toBe(ofTrace);
  });

  test("ET-140 a tag that cannot be an id is passed over", () => {
    expect(normalise({ tags: { correlation_id: "not an id" }, contexts: { trace } }).correlationId).toBe(ofTrace);
    expect(normalise({ contexts: { trace: { trace_id: 5 } } }).correlationId).toBe("request-1");
  });
});
