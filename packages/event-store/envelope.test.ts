import { type Context, canonicalCorrelationId, withContext } from "@signalbox/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CreateOptions } from "./create-options.js";
import { defineEvent, type EventDefinition } from "./define-event.js";
import { decodeEvent, encodeEvent } from "./envelope.js";
import { InvalidEvent } from "./errors.js";
import type { DomainEvent } from "./event.js";
import { createEventStore, type EventStore } from "./event-store.js";
import type { EventStoreOptions } from "./store-options.js";
import { createMemoryTransport } from "./transports/memory.js";

const PipelineCreated = defineEvent("ci.pipeline_created", {
  schema: {
    type: "object",
    required: ["pipeline_id"],
    properties: { pipeline_id: { type: "integer" }, ref: { type: "string" } },
  },
});
const AnythingHappened = defineEvent("test.anything_happened", { schema: { type: "object" } });

// The wire form

test("ES-050 an event is one CloudEvents 1.0 JSON object with nine attributes, and nothing for what is absent", () => {
  const store = storeOf([PipelineCreated]);
  const event = PipelineCreated.create({ pipeline_id: 7 }, { id: "E1", time: "2026-02-03T04:05:06.007Z" });
  expect(JSON.parse(store.encodeEvent(event))).toEqual({
    specversion: "1.0",
    id: "E1",
    source: "app",
    type: "dev.signalbox.ci.pipeline_created",
    subject: "E1",
    time: "2026-02-03T04:05:06.007Z",
    datacontenttype: "application/json",
    dataschema: "urn:signalbox:schema:ci.pipeline_created:v1",
    data: { pipeline_id: 7 },
    correlationid: "E1",
  });
});

test("ES-050 every extension attribute has its name on the wire", () => {
  const Deprecated = defineEvent("ci.pipeline_made", { schema: { type: "object" }, deprecated: { since: "1.2" } });
  const store = storeOf([Deprecated]);
  const event = inFullContext(() =>
    Deprecated.create(
      {},
      { id: "E1", key: "main", sequence: "7", extensions: { region: "eu", retries: 3, test: true } },
    ),
  );
  expect(JSON.parse(store.encodeEvent(event))).toMatchObject({
    correlationid: "C1",
    causationid: "E0",
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    tracestate: "vendor=1",
    partitionkey: "main",
    sequence: "7",
    rootcaller: "web",
    logmeta: '{"project":"box"}',
    userid: "u1",
    username: "ada",
    actorid: "a1",
    organizationid: "o1",
    deprecated: true,
    region: "eu",
    retries: 3,
    test: true,
  });
});

test("ES-050 attribute names of the wire are lower-case letters and digits", () => {
  const store = storeOf([AnythingHappened]);
  const wire = store.encodeEvent(inFullContext(() => AnythingHappened.create({}, { key: "k", sequence: "1" })));
  for (const name of Object.keys(JSON.parse(wire))) expect(name).toMatch(/^[a-z0-9]{1,20}$/);
});

test("ES-051 prefix and schema address are the store's", () => {
  const store = storeOf([AnythingHappened], {
    typePrefix: "org.example",
    schemaUri: (type, version) => `https://example.test/schemas/${type}/v${version}`,
  });
  const event = AnythingHappened.create({});
  expect(JSON.parse(store.encodeEvent(event))).toMatchObject({
    type: "org.example.test.anything_happened",
    dataschema: "https://example.test/schemas/test.anything_happened/v1",
  });
  expect(store.decodeEvent(store.encodeEvent(event)).type).toBe("test.anything_happened");
});

test("ES-051 what the options leave out comes from the context", () => {
  const event = inFullContext(() => PipelineCreated.create({ pipeline_id: 7 }));
  expect(event).toMatchObject({ correlationId: "C1", causationId: "E0", rootCaller: "web" });
});

test("ES-051 options go before the context", () => {
  const options: CreateOptions = {
    correlationId: "C2",
    causationId: "E2",
    userId: "u2",
    userName: "bob",
    actorId: "a2",
    organizationId: "o2",
    source: "elsewhere",
  };
  const event = inFullContext(() => PipelineCreated.create({ pipeline_id: 7 }, options));
  expect(JSON.parse(storeOf([PipelineCreated]).encodeEvent(event))).toMatchObject({
    correlationid: "C2",
    causationid: "E2",
    userid: "u2",
    username: "bob",
    actorid: "a2",
    organizationid: "o2",
    source: "elsewhere",
  });
});

test("ES-279 a correlation id that is a UUID is written in the canonical form, also the event's own id", () => {
  const uuid = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
  const canonical = canonicalCorrelationId(uuid);
  expect(canonical).not.toBe(uuid);
  expect(PipelineCreated.create({ pipeline_id: 7 }, { correlationId: uuid }).correlationId).toBe(canonical);
  expect(withContext({ correlationId: uuid }, () => AnythingHappened.create({})).correlationId).toBe(canonical);
  expect(PipelineCreated.create({ pipeline_id: 7 }, { id: uuid })).toMatchObject({
    id: uuid,
    correlationId: canonical,
  });
});

test("ES-279 the root caller is the first caller of the chain, and is not repeated in the log metadata", () => {
  const root = withContext({ meta: { caller_id: "web", project: "box" } }, () => AnythingHappened.create({}));
  const later = withContext({ rootCaller: "web", meta: { caller_id: "worker" } }, () => AnythingHappened.create({}));
  const store = storeOf([AnythingHappened]);
  expect(JSON.parse(store.encodeEvent(root))).toMatchObject({ rootcaller: "web", logmeta: '{"project":"box"}' });
  expect(JSON.parse(store.encodeEvent(later))).toMatchObject({ rootcaller: "web" });
  expect(JSON.parse(store.encodeEvent(later))).not.toHaveProperty("logmeta");
});

test("ES-050 an empty text in the context is an absent value, and the event stays readable", () => {
  const store = storeOf([AnythingHappened]);
  const empty: Context = { rootCaller: "", traceparent: "", userId: "", organizationId: "" };
  const wire = store.encodeEvent(withContext(empty, () => AnythingHappened.create({})));
  for (const name of ["rootcaller", "traceparent", "userid", "organizationid"])
    expect(JSON.parse(wire)).not.toHaveProperty(name);
  expect(() => store.decodeEvent(wire)).not.toThrow();
});

// Round trip

test("ES-054 encoding and decoding keep every attribute and the data", () => {
  const store = storeOf([AnythingHappened]);
  fc.assert(
    fc.property(data, createOptions, context, (input, options, around) => {
      const event = withContext(around, () => AnythingHappened.create(input, options));
      const wire = store.encodeEvent(event);
      const decoded = store.decodeEvent(wire);
      expect(attributesOf(decoded)).toEqual(attributesOf(event));
      // What only the envelope shows, log metadata and the user for example, is the same too.
      expect(store.encodeEvent(decoded)).toBe(wire);
    }),
  );
});

test("ES-054 text, bytes and parsed JSON decode alike", () => {
  const store = storeOf([AnythingHappened]);
  fc.assert(
    fc.property(data, createOptions, (input, options) => {
      const event = AnythingHappened.create(input, options);
      const wire = store.encodeEvent(event);
      for (const form of [wire, new TextEncoder().encode(wire), JSON.parse(wire)])
        expect(attributesOf(store.decodeEvent(form))).toEqual(attributesOf(event));
    }),
  );
});

test("ES-054 the deepest data that create accepts decodes from every form", () => {
  const store = storeOf([AnythingHappened]);
  const levels = (count: number): object => (count === 1 ? {} : { in: levels(count - 1) });
  const wire = store.encodeEvent(AnythingHappened.create({ in: levels(63) }));
  for (const form of [wire, new TextEncoder().encode(wire), JSON.parse(wire)])
    expect(store.decodeEvent(form).data).toEqual({ in: levels(63) });
});

test("ES-054 a decoded event is frozen at every depth and shares nothing with the caller's object", () => {
  const store = storeOf([AnythingHappened]);
  const wire = JSON.parse(store.encodeEvent(AnythingHappened.create({ list: [{ a: 1 }] })));
  const decoded = store.decodeEvent(wire);
  wire.data.list[0].a = 2;
  expect(decoded.data).toEqual({ list: [{ a: 1 }] });
  expect(Object.isFrozen(Object(decoded.data)["list"][0])).toBe(true);
  expect(Object.isFrozen(wire.data)).toBe(false);
});

test("ES-054 empty data is fine where the schema allows it, and refused where it does not", () => {
  const store = storeOf([AnythingHappened, PipelineCreated]);
  expect(store.decodeEvent(envelope({ type: "dev.signalbox.test.anything_happened", data: {} })).data).toEqual({});
  expect(refusal(store, envelope({ data: {} }))).toMatchObject({ code: "EVT_DATA_INVALID" });
});

test("ES-054 a foreign time is brought to UTC with milliseconds", () => {
  const store = storeOf([PipelineCreated]);
  expect(store.decodeEvent(envelope({ time: "2026-02-03T04:05:06+02:00" })).time).toBe("2026-02-03T02:05:06.000Z");
  expect(store.decodeEvent(envelope({ time: "2026-02-03t04:05:06.000Z" })).time).toBe("2026-02-03T04:05:06.000Z");
});

test("ES-054 a foreign correlation id gets the canonical form", () => {
  const uuid = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
  const { correlationId } = storeOf([PipelineCreated]).decodeEvent(envelope({ correlationid: uuid }));
  expect(correlationId).toBe(canonicalCorrelationId(uuid));
});

test("ES-054 a content type with parameters is JSON too", () => {
  const store = storeOf([PipelineCreated]);
  expect(store.decodeEvent(envelope({ datacontenttype: "application/json; charset=utf-8" })).data).toEqual({
    pipeline_id: 7,
  });
});

test("ES-054 unknown attributes with good names and values are extensions", () => {
  const store = storeOf([PipelineCreated]);
  expect(store.decodeEvent(envelope({ region: "eu", retries: 3 })).extensions).toEqual({ region: "eu", retries: 3 });
});

// Bad envelopes

test.each(["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"])(
  "ES-054 an envelope without %s is refused",
  (attribute) => {
    const { [attribute]: _, ...rest } = envelope({});
    const error = refusal(storeOf([PipelineCreated]), rest);
    expect(error).toBeInstanceOf(InvalidEvent);
    expect(error).toMatchObject({ code: "EVT_ENVELOPE_INVALID", details: { attribute } });
  },
);

test.each<[string, unknown]>([
  ["specversion", "0.3"],
  ["specversion", 1],
  ["id", ""],
  ["id", 7],
  ["source", null],
  ["source", ["app"]],
  ["subject", ""],
  ["type", {}],
  ["time", "yesterday"],
  ["time", "2026-02-03 04:05:06Z"],
  ["time", "2026-02-30T00:00:00Z"],
  ["time", 1767225600000],
  ["dataschema", "no uri"],
  ["dataschema", "/schemas/v1"],
  ["dataschema", "https://example.test/schemas/of-no-version"],
  ["data", null],
  ["data", 5],
  ["data", "{}"],
  ["data", [{ pipeline_id: 7 }]],
  ["correlationid", null],
  ["correlationid", ""],
  ["causationid", 5],
  ["traceparent", true],
  ["tracestate", {}],
  ["partitionkey", 7],
  ["sequence", 1],
  ["rootcaller", []],
  ["logmeta", { project: "box" }],
  ["logmeta", "project=box"],
  ["logmeta", '{"project":7}'],
  ["logmeta", '["box"]'],
  ["userid", 5],
  ["username", null],
  ["actorid", ""],
  ["organizationid", 1.5],
  ["dataref", 5],
  ["deprecated", "yes"],
  ["region", null],
  ["region", 1.5],
  ["region", { name: "eu" }],
])("ES-054 an envelope with %s: %j is refused", (attribute, value) => {
  expect(refusal(storeOf([PipelineCreated]), envelope({ [attribute]: value }))).toMatchObject({
    code: "EVT_ENVELOPE_INVALID",
    details: { attribute },
  });
});

test.each(["Region", "my_region", "abcdefghij01234567890"])("ES-054 %s is no name of an attribute", (name) => {
  expect(refusal(storeOf([PipelineCreated]), envelope({ [name]: "x" })).code).toBe("EVT_ENVELOPE_INVALID");
});

test.each<[string, unknown]>([
  ["no JSON", "{"],
  ["no object", "[]"],
  ["a number", "7"],
  ["a list", [envelope({})]],
  ["nothing", undefined],
  ["bytes that are no UTF-8", Buffer.from(JSON.stringify(envelope({ subject: "\u00ff" })), "latin1")],
])("ES-054 %s is no envelope", (_, wire) => {
  // @ts-expect-error among the forms are some that are no objects
  expect(refusal(storeOf([PipelineCreated]), wire).code).toBe("EVT_ENVELOPE_INVALID");
});

test.each([{ datacontenttype: "application/xml" }, { datacontenttype: "text/json" }, { data_base64: "e30=" }])(
  "ES-054 the payload %j is not supported",
  (change) => {
    const error = refusal(storeOf([PipelineCreated]), envelope(change));
    expect(error).toBeInstanceOf(InvalidEvent);
    expect(error.code).toBe("EVT_UNSUPPORTED_PAYLOAD");
  },
);

test.each([
  "dev.signalbox.ci.pipeline_deleted",
  "ci.pipeline_created",
  "org.example.ci.pipeline_created",
  "org.signalbox.ci.pipeline_created",
  "dev.signalbox.",
  "dev.signalbox.constructor",
  "dev.signalbox.__proto__",
  "dev.signalbox.toString",
  "__proto__",
  "dev.signalbox.node:fs",
  "dev.signalbox.file:///etc/passwd",
])("ES-054 the type %s is looked up in the registry alone, and unknown there", (type) => {
  const error = refusal(storeOf([PipelineCreated]), envelope({ type }));
  expect(error).toBeInstanceOf(InvalidEvent);
  expect(error).toMatchObject({ code: "EVT_UNKNOWN_TYPE", details: { type } });
});

test("ES-054 data nested too deeply is refused", () => {
  const deep = `${'{"in":'.repeat(64)}{}${"}".repeat(64)}`;
  const wire = JSON.stringify(envelope({ type: "dev.signalbox.test.anything_happened", data: 0 })).replace(
    '"data":0',
    `"data":${deep}`,
  );
  expect(refusal(storeOf([AnythingHappened]), wire).code).toBe("EVT_ENVELOPE_INVALID");
});

test("ES-033 an envelope whose data is elsewhere cannot be decoded by itself", () => {
  const { data: _, ...rest } = envelope({ dataref: "event-data/1" });
  expect(refusal(storeOf([PipelineCreated]), rest)).toMatchObject({ details: { attribute: "data" } });
});

// Versions

describe("ES-032 with upcasters from version 1 to 3", () => {
  const seen: unknown[] = [];
  const Renamed = defineEvent("ci.pipeline_created", {
    version: 3,
    schema: {
      type: "object",
      required: ["pipeline_id", "ref"],
      properties: { pipeline_id: { type: "integer" }, ref: { type: "string" } },
      additionalProperties: false,
    },
    upcast: {
      1: (data) => {
        seen.push(data);
        return { pipeline: data["id"] ?? 0, branch: "main" };
      },
      2: ({ pipeline, branch }) => ({ pipeline_id: pipeline ?? "none", ref: branch ?? "none" }),
    },
  });
  const wireOf = (version: number, body: object): object =>
    envelope({ dataschema: `urn:signalbox:schema:ci.pipeline_created:v${version}`, data: body });

  test("data of version 1 is brought up step by step, and the event says version 3", () => {
    const event = storeOf([Renamed]).decodeEvent(wireOf(1, { id: 7 }));
    expect(event.data).toEqual({ pipeline_id: 7, ref: "main" });
    expect(event.version).toBe(3);
    expect(Object.isFrozen(event.data)).toBe(true);
  });

  test("data of version 2 skips the first upcaster", () => {
    const event = storeOf([Renamed]).decodeEvent(wireOf(2, { pipeline: 7, branch: "dev" }));
    expect(event.data).toEqual({ pipeline_id: 7, ref: "dev" });
  });

  test("an upcaster gets frozen data", () => {
    seen.length = 0;
    storeOf([Renamed]).decodeEvent(wireOf(1, { id: 7 }));
    expect(seen.map((value) => Object.isFrozen(value))).toEqual([true]);
  });

  test("ES-054 the envelope is checked first, then the data is brought up, then it is checked", () => {
    const store = storeOf([Renamed]);
    seen.length = 0;
    expect(refusal(store, { ...wireOf(1, {}), logmeta: "no JSON" }).code).toBe("EVT_ENVELOPE_INVALID");
    expect(refusal(store, { ...wireOf(1, {}), region: null }).code).toBe("EVT_ENVELOPE_INVALID");
    expect(seen).toEqual([]);
    expect(refusal(store, wireOf(2, { pipeline: "seven" })).code).toBe("EVT_DATA_INVALID");
  });

  test("a later version than the known one is unknown", () => {
    expect(refusal(storeOf([Renamed]), wireOf(4, {}))).toMatchObject({
      code: "EVT_UNKNOWN_TYPE",
      details: { version: 4 },
    });
  });

  test("a version older than the first upcaster is unknown", () => {
    const Late = defineEvent("ci.pipeline_created", { schema: {}, version: 3, upcast: { 2: (data) => data } });
    expect(refusal(storeOf([Late]), wireOf(1, {}))).toMatchObject({
      code: "EVT_UNKNOWN_TYPE",
      details: { version: 1 },
    });
  });

  test.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("no");
      },
    ],
    ["returns nothing", () => undefined],
    ["returns what JSON cannot carry", () => ({ at: new Date(0) })],
    ["returns what the schema refuses", () => ({ surprise: 1 })],
  ])("an upcaster that %s makes the data invalid", (_, upcast) => {
    const Failing = defineEvent("ci.pipeline_created", {
      version: 2,
      schema: { type: "object", additionalProperties: false },
      // @ts-expect-error the upcaster is bad on purpose
      upcast: { 1: upcast },
    });
    expect(refusal(storeOf([Failing]), wireOf(1, {})).code).toBe("EVT_DATA_INVALID");
  });

  test("the version is known by the store's schema addresses, and else by their ending", () => {
    const store = storeOf([Renamed], { schemaUri: (type, version) => `https://example.test/${type}/${version}.json` });
    const at = (dataschema: string, body: object) => store.decodeEvent(envelope({ dataschema, data: body })).data;
    expect(at("https://example.test/ci.pipeline_created/2.json", { pipeline: 1, branch: "a" })).toEqual({
      pipeline_id: 1,
      ref: "a",
    });
    expect(at("https://example.test/ci.pipeline_created/3.json", { pipeline_id: 1, ref: "a" })).toEqual({
      pipeline_id: 1,
      ref: "a",
    });
    expect(at("urn:elsewhere:ci.pipeline_created:v2", { pipeline: 1, branch: "a" })).toEqual({
      pipeline_id: 1,
      ref: "a",
    });
  });
});

// Without a store

test("ES-054 encodeEvent and decodeEvent work without a store", () => {
  const registry = { lookup: (type: string) => (type === PipelineCreated.type ? PipelineCreated : null) };
  const event = PipelineCreated.create({ pipeline_id: 7 }, { source: "app" });
  const decoded = decodeEvent(encodeEvent(event), registry);
  expect(attributesOf(decoded)).toEqual(attributesOf(event));
});

test("ES-050 encodeEvent writes the source that the event has from its store", () => {
  const Settled = defineEvent("ci.pipeline_settled", { schema: { type: "object" } });
  storeOf([Settled]);
  expect(JSON.parse(encodeEvent(Settled.create({}))).source).toBe("app");
});

test("ES-050 an event without a source is refused rather than encoded badly", () => {
  const Homeless = defineEvent("ci.pipeline_lost", { schema: { type: "object" } });
  expect(() => encodeEvent(Homeless.create({}))).toThrow(
    expect.objectContaining({ code: "EVT_ATTRIBUTE_INVALID", details: { attribute: "source" } }),
  );
});

test("ES-100 only events can be encoded", () => {
  const store = storeOf([PipelineCreated]);
  const event = PipelineCreated.create({ pipeline_id: 7 });
  // A copy is not what it was copied from.
  const lookAlike: DomainEvent<unknown> = {
    ...event,
    source: "app",
    user: event.user,
    organization: event.organization,
  };
  for (const encode of [store.encodeEvent, encodeEvent])
    expect(() => encode(lookAlike)).toThrow(expect.objectContaining({ code: "EVT_NOT_AN_EVENT" }));
});

// Users and organizations

test("ES-058 user() and organization() ask the resolvers, each at most once for an event", async () => {
  const asked: string[] = [];
  const resolvers: EventStoreOptions["resolvers"] = {
    user: async (id) => {
      asked.push(id);
      return { name: "ada" };
    },
    organization: (id) => {
      asked.push(id);
      return "box";
    },
  };
  storeOf([PipelineCreated], { resolvers });
  const event = PipelineCreated.create({ pipeline_id: 7 }, { userId: "u1", organizationId: "o1" });
  expect(await Promise.all([event.user(), event.user(), event.organization()])).toEqual([
    { name: "ada" },
    { name: "ada" },
    "box",
  ]);
  expect(await event.organization()).toBe("box");
  expect(asked).toEqual(["u1", "o1"]);
});

test("ES-058 a failing resolver is asked once too", async () => {
  let asked = 0;
  const user = (): never => {
    asked++;
    throw new Error("directory away");
  };
  storeOf([PipelineCreated], { resolvers: { user } });
  const event = PipelineCreated.create({ pipeline_id: 7 }, { userId: "u1" });
  await expect(event.user()).rejects.toThrow("directory away");
  await expect(event.user()).rejects.toThrow("directory away");
  expect(asked).toBe(1);
});

test("ES-058 without an id, a resolver or an answer they are null", async () => {
  storeOf([PipelineCreated], { resolvers: { user: () => undefined } });
  const anonymous = PipelineCreated.create({ pipeline_id: 7 });
  expect(await anonymous.user()).toBeNull();
  const known = PipelineCreated.create({ pipeline_id: 7 }, { userId: "u1", organizationId: "o1" });
  expect(await known.user()).toBeNull();
  expect(await known.organization()).toBeNull();
});

test("ES-058 an event that is older than the store gets its resolvers when it is published", async () => {
  const Early = defineEvent("ci.pipeline_early", { schema: { type: "object" } });
  const event = Early.create({}, { userId: "u1" });
  const store = storeOf([Early], { resolvers: { user: (id) => `user ${id}` } });
  await store.publish(event);
  expect(await event.user()).toBe("user u1");
  expect(event.source).toBe("app");
});

test("ES-058 a decoded event has them too", async () => {
  const store = storeOf([PipelineCreated], { resolvers: { user: (id) => `user ${id}` } });
  const wire = store.encodeEvent(PipelineCreated.create({ pipeline_id: 7 }, { userId: "u1" }));
  expect(await store.decodeEvent(wire).user()).toBe("user u1");
});

const text = fc.string({ unit: "binary", minLength: 1, maxLength: 30 });
const asciiText = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength,
  });
const idLike = fc.oneof(
  fc.uuid(),
  fc.ulid(),
  fc.ulid().map((id) => id.toLowerCase()),
  asciiText(64),
);

const data = fc.dictionary(text, fc.jsonValue({ maxDepth: 3, stringUnit: "binary" }), { noNullPrototype: true });

const createOptions: fc.Arbitrary<CreateOptions> = fc.record(
  {
    id: idLike,
    source: text,
    subject: text,
    time: fc
      .date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
      .map((at) => at.toISOString()),
    key: fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 256 }),
    sequence: text,
    extensions: fc.dictionary(
      fc.stringMatching(/^x[a-z0-9]{0,19}$/),
      fc.oneof(text, fc.boolean(), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
      { noNullPrototype: true },
    ),
    userId: text,
    userName: text,
    actorId: text,
    organizationId: text,
    correlationId: idLike,
    causationId: asciiText(128),
  },
  { requiredKeys: [], noNullPrototype: true },
);

const context: fc.Arbitrary<Context> = fc.record(
  {
    correlationId: idLike,
    causationId: asciiText(128),
    rootCaller: text,
    traceparent: text,
    tracestate: text,
    userId: text,
    userName: text,
    actorId: text,
    organizationId: text,
    meta: fc.dictionary(fc.oneof(text, fc.constant("caller_id")), text, { noNullPrototype: true }),
  },
  { requiredKeys: [], noNullPrototype: true },
);

function storeOf(
  definitions: readonly EventDefinition<unknown>[],
  options: Partial<EventStoreOptions> = {},
): EventStore {
  return createEventStore({
    transport: createMemoryTransport(),
    source: "app",
    configure: (registry) => {
      for (const definition of definitions) registry.register(definition);
    },
    ...options,
  });
}

function inFullContext<T>(work: () => T): T {
  const full: Context = {
    correlationId: "C1",
    causationId: "E0",
    rootCaller: "web",
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    tracestate: "vendor=1",
    userId: "u1",
    userName: "ada",
    actorId: "a1",
    organizationId: "o1",
    meta: { project: "box" },
  };
  return withContext(full, work);
}

/** A good envelope of `ci.pipeline_created` with changes. */
function envelope(changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    specversion: "1.0",
    id: "E1",
    source: "app",
    type: "dev.signalbox.ci.pipeline_created",
    subject: "E1",
    time: "2026-02-03T04:05:06.007Z",
    datacontenttype: "application/json",
    dataschema: "urn:signalbox:schema:ci.pipeline_created:v1",
    data: { pipeline_id: 7 },
    ...changes,
  };
}

function attributesOf(event: DomainEvent<unknown>): object {
  const { id, source, type, version, subject, time, correlationId, causationId, rootCaller, traceparent } = event;
  const { key, sequence, extensions, data } = event;
  return {
    ...{ id, source, type, version, subject, time, correlationId, causationId, rootCaller, traceparent },
    ...{ key, sequence, extensions, data: JSON.parse(JSON.stringify(data)) },
  };
}

function refusal(store: EventStore, wire: object | string): InvalidEvent {
  try {
    store.decodeEvent(wire);
  } catch (error) {
    if (error instanceof InvalidEvent) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
