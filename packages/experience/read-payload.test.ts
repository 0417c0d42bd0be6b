import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PayloadOptions, parseTimestamp, readPayload } from "./index.js";

const valid = {
  correlation_id: "01JP0EM7HB39WSJNR4662MYZ6V",
  covered_experience_id: "http_request",
  checkpoint: "start",
  type: "web",
  feature_category: "source_code_management",
  urgency: "sync_fast",
  client_timestamp: "2025-02-06T14:30:00Z",
};

const read = (changes: object, options?: PayloadOptions) => readPayload({ ...valid, ...changes }, options);
const faults = (changes: object, options?: PayloadOptions): string[] => {
  const reading = read(changes, options);
  return reading.kind === "valid" ? [] : reading.faults.map(({ pointer, code }) => `${pointer} ${code}`);
};
const payload = (changes: object, options?: PayloadOptions) => {
  const reading = read(changes, options);
  if (reading.kind === "invalid") throw new Error(JSON.stringify(reading.faults));
  return reading.payload;
};

describe("times", () => {
  test.each([
    ["2025-02-06T14:30:00Z", "2025-02-06T14:30:00.000Z"],
    ["2025-02-06t14:30:00z", "2025-02-06T14:30:00.000Z"],
    ["2025-02-06T14:30:00.123456789Z", "2025-02-06T14:30:00.123Z"],
    ["2025-02-06T14:30:00.9Z", "2025-02-06T14:30:00.900Z"],
    ["2025-02-06T14:30:00+05:30", "2025-02-06T09:00:00.000Z"],
    ["2025-02-06T00:30:00-01:00", "2025-02-06T01:30:00.000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
    ["2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"],
    ["0099-06-01T12:00:00Z", "0099-06-01T12:00:00.000Z"],
    ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"],
  ])("XP-207 %s is %s", (text, iso) => {
    expect(new Date(parseTimestamp(text) ?? Number.NaN).toISOString()).toBe(iso);
  });

  test.each([
    "2025-02-06T14:30:00",
    "2025-02-06",
    "2025-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2025-13-01T00:00:00Z",
    "2025-00-01T00:00:00Z",
    "2025-01-00T00:00:00Z",
    "2025-01-01T24:00:00Z",
    "2025-01-01T00:60:00Z",
    "2025-01-01T00:00:61Z",
    "2025-01-01T00:00Z",
    "2025-01-01 00:00:00Z",
    "2025-01-01T00:00:00.Z",
    "2025-01-01T00:00:00.1234567890Z",
    "2025-01-01T00:00:00+24:00",
    "2025-01-01T00:00:00+0100",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "1738852200",
    "",
  ])("XP-207 %j is no time", (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
    expect(faults({ client_timestamp: text })).toEqual(["/client_timestamp invalid_timestamp"]);
  });
});

describe("fields", () => {
  test("XP-200 ULIDs in either case; nothing else unless it stands for one", () => {
    expect(payload({ correlation_id: valid.correlation_id.toLowerCase() }).correlationId).toBe(valid.correlation_id);
    for (const id of [
      "81JP0EM7HB39WSJNR4662MYZ6V",
      "01JP0EM7HB39WSJNR4662MYZ6I",
      "01JP0EM7HB39WSJNR4662MYZ6",
      "",
      "abc",
    ])
      expect(faults({ correlation_id: id })).toEqual(["/correlation_id invalid_format"]);
    expect(payload({ correlation_id: "00000000000000000000000000000001" }).correlationId).toBe(
      "00000000000000000000000001",
    );
  });

  test("XP-200 relaxed takes short names too and keeps their case", () => {
    const relaxed = { correlationFormat: "relaxed" } as const;
    expect(payload({ correlation_id: "My-Request_1" }, relaxed)).toMatchObject({
      correlationId: "My-Request_1",
      ulidTimeMs: undefined,
    });
    expect(payload({ correlation_id: valid.correlation_id.toLowerCase() }, relaxed).correlationId).toBe(
      valid.correlation_id,
    );
    for (const id of ["short", "a".repeat(65), "with space"])
      expect(faults({ correlation_id: id }, relaxed)).toEqual(["/correlation_id invalid_format"]);
  });

  test.each([
    ["covered_experience_id", ["A", "1a", "a-b", "a".repeat(65), "", 7, true, {}]],
    ["checkpoint", ["Start", "begin", "", 1]],
    ["checkpoint_category", [" a", ".a", "a b", "a".repeat(65), 5]],
    ["type", ["Web", "1", "a b", "a".repeat(33), 5]],
    ["feature_category", ["A", "a-b", 5]],
    ["urgency", ["fast", "SYNC_FAST", 5]],
    ["event_id", ["", "a b", "ä", "a".repeat(65), 5]],
    ["run", ["", "a|b", "a".repeat(65), 5]],
    ["sequence", [-1, 1.5, 2 ** 31, "1", true]],
    ["sent_timestamp", ["now", 5]],
    ["meta", ["text", [], 5, true]],
  ])("XP-201 XP-202 XP-203 XP-204 XP-205 XP-206 XP-210 XP-215 XP-216 XP-217 XP-231 %s has one form", (field, wrong) => {
    for (const value of wrong) {
      const found = faults({ [field]: value });
      expect(found).toHaveLength(1);
      expect(found[0]).toMatch(new RegExp(`^/${field} `));
    }
  });

  test("XP-230 the seven required fields alone are enough, and a null is no value", () => {
    expect(payload({})).toMatchObject({ run: "1", warnings: [], meta: undefined, eventId: undefined });
    const nulls = { meta: null, event_id: null, run: null, sequence: null, checkpoint_category: null };
    expect(payload(nulls)).toEqual(payload({}));
    for (const field of Object.keys(valid)) expect(faults({ [field]: null })).toEqual([`/${field} required`]);
  });

  test("XP-211 XP-213 an end's outcome, message and reason", () => {
    const end = (changes: object) => payload({ checkpoint: "end", ...changes });
    expect(end({}).outcome).toBe("success");
    expect(end({ error: true }).outcome).toBe("error");
    expect(end({ error_message: "only a message" })).toMatchObject({
      outcome: "success",
      errorMessage: "only a message",
    });
    expect(end({ outcome: "discarded" })).toMatchObject({ outcome: "discarded", discardReason: "unspecified" });
    expect(end({ outcome: "discarded", error: false, discard_reason: "user_error" }).discardReason).toBe("user_error");
    expect(end({ discard_reason: "user_error" })).toMatchObject({
      discardReason: undefined,
      warnings: [{ code: "ignored_field", field: "discard_reason" }],
    });
    const long = end({ error: true, error_message: `a\u0007b\n${"x".repeat(2_000)}` });
    expect(long.errorMessage).toMatch(/^a b x+$/);
    expect(long.errorMessage).toHaveLength(1_024);
    expect(long.warnings).toEqual([{ code: "error_message_truncated", field: "error_message" }]);
    expect(faults({ checkpoint: "end", error: "yes" })).toEqual(["/error wrong_type"]);
    expect(faults({ checkpoint: "end", outcome: "ok" })).toEqual(["/outcome not_in_enum"]);
    expect(faults({ checkpoint: "end", outcome: "discarded", discard_reason: "No Way" })).toEqual([
      "/discard_reason invalid_format",
    ]);
  });
});

describe("meta", () => {
  const meta = (sent: object, options?: PayloadOptions) => payload({ meta: sent }, options);

  test("XP-231 values become strings, names lose their prefix, what cannot be a name is dropped", () => {
    const sent = {
      "meta.user": "a",
      n: 1.5,
      b: false,
      o: { a: [1] },
      nil: null,
      "bad key": 1,
      "9": 1,
      urgency: "x",
      feature_category: "kept",
    };
    expect(meta(sent)).toMatchObject({
      meta: { user: "a", n: "1.5", b: "false", o: '{"a":[1]}', feature_category: "kept" },
      warnings: [],
    });
    expect(meta({}).meta).toBeUndefined();
    expect(meta({ a: "x", b: "y" }, { metaKeys: new Set(["b"]) }).meta).toEqual({ b: "y" });
  });

  test("XP-231 XP-233 half of a character is replaced: nobody behind could store it", () => {
    expect(meta({ a: "x\ud800y" }).meta).toEqual({ a: "x\ufffdy" });
    const end = payload({ checkpoint: "end", error: true, error_message: "\udc00", "odd\ud800": 1 });
    expect(end.errorMessage).toBe("\ufffd");
    expect(end.warnings).toEqual([{ code: "unknown_field", field: "odd\ufffd" }]);
  });

  test("XP-231 what is too much is cut with a warning: well-known names are kept first", () => {
    const warning = [{ code: "meta_truncated", field: "meta" }];
    const long = meta({ a: "x".repeat(1_025) });
    expect(long.meta?.["a"]).toHaveLength(1_024);
    expect(long.warnings).toEqual(warning);
    const many = meta({
      ...Object.fromEntries(Array.from({ length: 70 }, (_, index) => [`k${index}`, "v"])),
      user: "u",
    });
    expect(Object.keys(many.meta ?? {})).toHaveLength(64);
    expect(many.meta).toMatchObject({ user: "u", k0: "v" });
    expect(many.warnings).toEqual(warning);
    const large = meta({
      ...Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`k${index}`, "v".repeat(1_000)])),
      project: "p",
    });
    const bytes = Object.entries(large.meta ?? {}).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    expect(bytes).toBeLessThanOrEqual(8_192);
    expect(large.meta).toHaveProperty("project");
  });
});

test("XP-201 an id under neither of its names is missing", () => {
  const nameless = { ...valid, covered_experience_id: undefined };
  for (const sent of [nameless, { ...nameless, user_experience_id: null }])
    expect(readPayload(sent)).toMatchObject({
      kind: "invalid",
      faults: [{ pointer: "/covered_experience_id", code: "required" }],
    });
});

test("XP-233 U+0000 is refused in what is ignored, too, and a flood of it has a short answer", () => {
  expect(faults({ server_timestamp: "\0" })).toEqual(["/server_timestamp invalid_format"]);
  expect(faults({ error_message: "a\0b" })).toEqual(["/error_message invalid_format"]);
  expect(faults({ checkpoint: "end", discard_reason: "\0" })).toEqual(["/discard_reason invalid_format"]);
  const flood = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`unknown_${index}`, "\0"]));
  expect(faults(flood)).toHaveLength(10);
});

test("XP-233 whatever is sent, reading it never throws, and what is taken has bounded parts", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.jsonValue(), fc.record(Object.fromEntries(Object.keys(valid).map((key) => [key, fc.jsonValue()])))),
      (value) => {
        const reading = readPayload(value);
        if (reading.kind === "invalid") expect(reading.faults.length).toBeGreaterThan(0);
      },
    ),
    { numRuns: 300 },
  );
});
