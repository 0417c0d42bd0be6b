import { createVirtualClock } from "@signalbox/kernel";
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { defineEvent, type EventOptions, type Upcast } from "./define-event.js";
import { type EventStoreError, InvalidEvent, NotImplemented } from "./errors.js";
import { createEventStore } from "./event-store.js";
import { createMemoryTransport } from "./transports/memory.js";

const draft07 = "http://json-schema.org/draft-07/schema#";
const draft2020 = "https://json-schema.org/draft/2020-12/schema";

// Names

test("ES-020 two or three lower-case words joined by dots are a type, and the first one is its context", () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/), { minLength: 2, maxLength: 3 }), (words) => {
      const definition = defineEvent(words.join("."), { schema: {} });
      expect(definition.type).toBe(words.join("."));
      expect(definition.context).toBe(words[0]);
    }),
  );
});

test.each([
  "",
  "ci",
  "ci.",
  ".created",
  "ci..created",
  "ci.pipeline.created.again",
  "Ci.created",
  "ci.Created",
  "1ci.created",
  "ci._created",
  "ci.pipeline-created",
  "ci.créé",
  "ci.created ",
  "ci.created\n",
  "ci/created",
])("ES-020 %j is refused as a type with EVT_TYPE_INVALID", (type) => {
  const error = failure(() => defineEvent(type, { schema: {} }));
  expect(error).toBeInstanceOf(InvalidEvent);
  expect(error.code).toBe("EVT_TYPE_INVALID");
});

test.each([undefined, null, 5, { toString: () => "ci.created" }])("ES-020 %j is no type", (type) => {
  // @ts-expect-error a type is a text
  expect(failure(() => defineEvent(type, { schema: {} })).code).toBe("EVT_TYPE_INVALID");
});

test("ES-020 a type has at most 120 characters", () => {
  const longest = `ci.${"a".repeat(117)}`;
  expect(defineEvent(longest, { schema: {} }).type).toBe(longest);
  expect(failure(() => defineEvent(`${longest}a`, { schema: {} })).code).toBe("EVT_TYPE_INVALID");
});

test("ES-020 a definition without a schema can be made, but creates nothing", () => {
  // @ts-expect-error the schema is left out
  const definition = defineEvent("ci.pipeline_created", {});
  const error = failure(() => definition.create({ pipeline_id: 7 }));
  expect(error).toBeInstanceOf(NotImplemented);
  expect(error).not.toBeInstanceOf(InvalidEvent);
  expect(error.code).toBe("EVT_NOT_IMPLEMENTED");
});

// Options

test("ES-004 an unknown option is refused by name, with the nearest known one", () => {
  // @ts-expect-error a misspelt option
  const error = failure(() => defineEvent("ci.created", { schema: {}, descripton: "x" }));
  expect(error.code).toBe("EVT_CONFIG_INVALID");
  expect(error.message).toBe("Unknown option `descripton`; did you mean `description`?");
  expect(error.details).toEqual({ option: "descripton" });
});

test.each<[string, Partial<Record<keyof EventOptions<object>, unknown>>]>([
  ["schema", { schema: "object" }],
  ["description", { description: "" }],
  ["flag", { flag: 5 }],
  ["subject", { subject: "pipeline" }],
  ["key", { key: "pipeline" }],
  ["sensitive", { sensitive: ["user/email"] }],
  ["log", { log: "some" }],
  ["compatibility", { compatibility: "sideways" }],
  ["upcast.1", { upcast: { 1: "up" } }],
  ["upcast.0", { upcast: { 0: (data: object) => data } }],
  ["deprecated.since", { deprecated: {} }],
  ["maxInlineBytes", { maxInlineBytes: 0 }],
])("ES-004 a bad %s is refused by name", (option, bad) => {
  const options: object = { schema: {}, ...bad };
  // @ts-expect-error the options are bad on purpose
  expect(failure(() => defineEvent("ci.created", options))).toMatchObject({
    code: "EVT_CONFIG_INVALID",
    details: { option },
  });
});

test.each([0, -1, 1.5, "2", Number.NaN, 2 ** 60])("ES-032 %j is refused as a version", (version) => {
  // @ts-expect-error among the versions are texts
  expect(failure(() => defineEvent("ci.created", { schema: {}, version })).details).toEqual({ option: "version" });
});

test("ES-032 the version is 1 unless another one is given", () => {
  expect(defineEvent("ci.created", { schema: {} }).version).toBe(1);
  expect(defineEvent("ci.created", { schema: {}, version: 3 }).version).toBe(3);
});

test("ES-073 a definition and its lists are frozen", () => {
  const options = { schema: {}, sensitive: ["/a"], deprecated: { since: "1.2" }, subject: () => "before" };
  const definition = defineEvent("ci.created", options);
  options.sensitive.push("/b");
  options.deprecated.since = "9";
  options.subject = () => "after";
  expect(definition.create({}).subject).toBe("before");
  expect(definition.sensitive).toEqual(["/a"]);
  expect(definition.deprecated).toEqual({ since: "1.2" });
  for (const part of [definition, definition.sensitive, definition.deprecated, definition.examples])
    expect(Object.isFrozen(part)).toBe(true);
});

// Schema first, then data

test("ES-022 an invalid schema is told of before invalid data", () => {
  const definition = defineEvent("ci.pipeline_created", { schema: broken({ type: "objekt" }) });
  const error = failure(() => definition.create({ a: 1 }));
  expect(error).toBeInstanceOf(InvalidEvent);
  expect(error.code).toBe("EVT_SCHEMA_INVALID");
  expect(error.message).toBe("Schema for event ci.pipeline_created is invalid");
  expect(error.details["errors"]).toContainEqual({
    pointer: "/type",
    keyword: "enum",
    message: "must be equal to one of the allowed values",
  });
});

test("ES-022 even data that is no object gets the schema's error first", () => {
  const definition = defineEvent("ci.pipeline_created", { schema: broken({ type: "objekt" }) });
  // @ts-expect-error the data is no object
  expect(failure(() => definition.create(5)).code).toBe("EVT_SCHEMA_INVALID");
});

test("ES-022 data that does not match is told of at create, with type and places", () => {
  const definition = defineEvent("ci.pipeline_created", {
    schema: {
      type: "object",
      required: ["pipeline_id"],
      properties: { pipeline_id: { type: "integer" }, jobs: { type: "array", items: { type: "string" } } },
    },
  });
  // @ts-expect-error the data is wrong in two places
  const error = failure(() => definition.create({ jobs: ["lint", "build", 3] }));
  expect(error).toBeInstanceOf(InvalidEvent);
  expect(error.code).toBe("EVT_DATA_INVALID");
  expect(error.message).toMatch(/^Data for event ci\.pipeline_created does not match the defined schema: /);
  expect(error.details["errors"]).toEqual([
    { pointer: "", keyword: "required", message: "must have required property 'pipeline_id'" },
    { pointer: "/jobs/2", keyword: "type", message: "must be string" },
  ]);
});

test("ES-022 the pointer is a JSON Pointer down to the array item, with its escapes", () => {
  const definition = defineEvent("ci.created", {
    schema: {
      type: "object",
      properties: {
        "a/b~c": { type: "array", items: { type: "object", properties: { "x y": { type: "integer" } } } },
      },
    },
  });
  const data: object = { "a/b~c": [{ "x y": 1 }, { "x y": "no" }] };
  expect(problemsOf(() => definition.create(data)).map(({ pointer }) => pointer)).toEqual(["/a~1b~0c/1/x y"]);
});

test("ES-022 at most 20 problems are listed", () => {
  const definition = defineEvent("ci.created", {
    schema: { type: "object", properties: { list: { type: "array", items: { type: "integer" } } } },
  });
  const list: number[] = JSON.parse(JSON.stringify(Array(30).fill("no")));
  expect(problemsOf(() => definition.create({ list }))).toHaveLength(20);
});

test("ES-022 no message repeats a value of the data, whatever keyword it breaks", () => {
  const secret = "hunter2";
  const string = { type: "string" };
  const breaking: Record<string, object> = {
    type: { type: "integer" },
    enum: { enum: ["other"] },
    const: { const: "other" },
    pattern: { ...string, pattern: "^x$" },
    format: { ...string, format: "email" },
    minLength: { ...string, minLength: 100 },
    maxLength: { ...string, maxLength: 1 },
    not: { not: string },
    anyOf: { anyOf: [{ type: "integer" }, { const: "other" }] },
    oneOf: { oneOf: [string, { minLength: 1 }] },
    else: { if: { type: "integer" }, else: { minLength: 100 } },
  };
  for (const [keyword, schema] of Object.entries(breaking)) {
    const definition = defineEvent("ci.created", {
      schema: { type: "object", properties: { password: schema } },
      sensitive: ["/password"],
    });
    const error = failure(() => definition.create({ password: secret }));
    expect(error.code, keyword).toBe("EVT_DATA_INVALID");
    expect(error.message + JSON.stringify(error.details), keyword).not.toContain(secret);
  }
});

test("ES-022 an array's problems name no values either", () => {
  const definition = defineEvent("ci.created", {
    schema: { type: "object", properties: { codes: { type: "array", uniqueItems: true, contains: { const: "x" } } } },
  });
  const error = failure(() => definition.create({ codes: ["hunter2", "hunter2"] }));
  expect(error.message + JSON.stringify(error.details)).not.toContain("hunter2");
});

// State of the schema

test("ES-023 the schema is looked at by the first create, not by the definition", () => {
  const good = defineEvent("ci.created", { schema: { type: "object" } });
  const bad = defineEvent("ci.created", { schema: broken({ type: "int" }) });
  expect([good.schemaState, bad.schemaState]).toEqual(["unchecked", "unchecked"]);
  good.create({});
  expect(() => bad.create({})).toThrow();
  expect([good.schemaState, bad.schemaState]).toEqual(["valid", "invalid"]);
});

test("ES-023 data that does not match leaves the schema valid", () => {
  const definition = defineEvent("ci.created", { schema: { type: "object", required: ["a"] } });
  expect(() => definition.create({})).toThrow();
  expect(definition.schemaState).toBe("valid");
});

test("ES-023 10,000 creations read and compile the schema once", () => {
  const { schema, looks } = counted({ type: "object", properties: { a: { type: "integer" } } });
  const definition = defineEvent("ci.created", { schema });
  definition.create({ a: 1 });
  const atFirst = looks();
  expect(atFirst).toBeGreaterThan(0);
  for (let count = 0; count < 10_000; count++) definition.create({ a: count });
  expect(looks()).toBe(atFirst);
});

test("ES-023 an invalid schema throws on every later create without being checked again", () => {
  const { schema, looks } = counted({ type: "int" });
  const definition = defineEvent("ci.created", { schema });
  expect(failure(() => definition.create({})).code).toBe("EVT_SCHEMA_INVALID");
  const atFirst = looks();
  expect(failure(() => definition.create({})).code).toBe("EVT_SCHEMA_INVALID");
  expect(looks()).toBe(atFirst);
});

test.each(["int", "string ", "String", "any", ""])("ES-023 the type name %j makes a schema invalid", (type) => {
  for (const $schema of [draft07, draft2020]) expect(stateOf({ $schema, type })).toBe("invalid");
  expect(stateOf({ type: "object", properties: { a: { type } } })).toBe("invalid");
});

test("ES-023 an unknown format makes a schema invalid, wherever it stands", () => {
  for (const $schema of [draft07, draft2020]) {
    const format = { $schema, type: "object", properties: { a: { items: { type: "string", format: "e-mail" } } } };
    const definition = defineEvent("ci.created", { schema: broken(format) });
    expect(failure(() => definition.create({})).details["errors"]).toEqual([
      { pointer: "/properties/a/items/format", keyword: "format", message: 'unknown format "e-mail"' },
    ]);
  }
});

test("ES-023 a format of JSON Schema is known", () => {
  for (const format of ["date-time", "date", "email", "uri", "uuid", "ipv4", "hostname", "regex", "json-pointer"])
    expect(stateOf({ type: "object", properties: { a: { type: "string", format } } }), format).toBe("valid");
});

test("ES-023 names that look like keywords but are properties or data are no keywords", () => {
  expect(
    stateOf({
      type: "object",
      properties: { format: { type: "string" }, $ref: { type: "string" }, prefixItems: { type: "string" } },
      default: { format: "nonsense", $ref: "elsewhere.json" },
      examples: [{ format: "nonsense" }],
    }),
  ).toBe("valid");
});

test("ES-023 properties with names of keywords are schemas like others", () => {
  const nonsense = { type: "string", format: "nonsense" };
  for (const name of ["enum", "const", "default", "examples", "properties"])
    expect(stateOf({ type: "object", properties: { [name]: nonsense } }), name).toBe("invalid");
});

// Dialects

test.each([
  [draft07, "valid"],
  ["http://json-schema.org/draft-07/schema", "valid"],
  [draft2020, "valid"],
  [`${draft2020}#`, "valid"],
  ["http://json-schema.org/draft-04/schema#", "invalid"],
  ["https://json-schema.org/draft/2019-09/schema", "invalid"],
  ["https://example.test/own-schema", "invalid"],
  ["draft-07", "invalid"],
  [7, "invalid"],
])("ES-024 a schema that says $schema: %j is %s", (uri, state) => {
  expect(stateOf({ $schema: uri, type: "object" })).toBe(state);
});

test.each<[string, object, unknown]>([
  ["prefixItems", { properties: { a: { prefixItems: [{ type: "integer" }] } } }, { a: ["no"] }],
  ["$defs", { $defs: { tuple: true }, properties: { a: { dependentRequired: { b: ["c"] } } } }, { a: { b: 1 } }],
  ["dependentRequired", { dependentRequired: { a: ["b"] } }, { a: 1 }],
  ["dependentSchemas", { dependentSchemas: { a: { required: ["b"] } } }, { a: 1 }],
  ["unevaluatedProperties", { properties: { a: true }, unevaluatedProperties: false }, { b: 1 }],
  ["unevaluatedItems", { properties: { a: { items: true, unevaluatedItems: false } } }, { a: 1 }],
])("ES-024 without $schema, %s says that 2020-12 is meant", (keyword, schema, data) => {
  const guessed = defineEvent("ci.created", { schema: broken({ type: "object", ...schema }) });
  const stated = defineEvent("ci.created", { schema: broken({ $schema: draft2020, type: "object", ...schema }) });
  const older = defineEvent("ci.created", { schema: broken({ $schema: draft07, type: "object", ...schema }) });
  expect(outcome(() => guessed.create(Object(data)))).toEqual(outcome(() => stated.create(Object(data))));
  // Draft-07 takes the keyword for an annotation.
  if (keyword !== "unevaluatedItems") expect(outcome(() => stated.create(Object(data)))).toBe("EVT_DATA_INVALID");
  expect(outcome(() => older.create(Object(data)))).toBe("created");
});

test("ES-024 without $schema and newer keywords draft-07 is meant", () => {
  // A list of schemas in `items` is a tuple there and an error in 2020-12.
  const tuple = { type: "object", properties: { pair: { type: "array", items: [{ type: "integer" }] } } };
  expect(stateOf(tuple)).toBe("valid");
  expect(stateOf({ $schema: draft2020, ...tuple })).toBe("invalid");
  expect(stateOf({ ...tuple, properties: { ...tuple.properties, prefixItems: true, $defs: true } })).toBe("valid");
});

test("ES-024 a local $ref is followed", () => {
  for (const place of ["definitions", "$defs"]) {
    const definition = defineEvent("ci.created", {
      schema: broken({
        type: "object",
        properties: { a: { $ref: `#/${place}/id` } },
        [place]: { id: { type: "integer" } },
      }),
    });
    expect(outcome(() => definition.create({ a: 1 }))).toBe("created");
    expect(outcome(() => definition.create({ a: "1" }))).toBe("EVT_DATA_INVALID");
  }
});

test.each(["https://example.test/id.json", "other.json#/id", "urn:x", "#/definitions/missing", draft07])(
  "ES-024 the reference %s makes a schema invalid",
  ($ref) => {
    expect(stateOf({ type: "object", properties: { a: { $ref } } })).toBe("invalid");
  },
);

test("ES-024 a schema may refer to itself, and schemas that do so do not disturb each other", () => {
  const names = ["label", "title"] as const;
  const [byLabel, byTitle] = names.map((name) =>
    defineEvent(`test.tree_${name}ed`, {
      schema: {
        type: "object",
        properties: { [name]: { type: "string" }, children: { type: "array", items: { $ref: "#" } } },
        required: [name],
      } as object,
    }),
  );
  for (const _ of [1, 2]) {
    byLabel?.create({ label: "root", children: [{ label: "leaf" }] });
    byTitle?.create({ title: "root", children: [{ title: "leaf" }] });
    expect(() => byLabel?.create({ label: "root", children: [{ title: "leaf" }] })).toThrow(/does not match/);
    expect(() => byTitle?.create({ title: "root", children: [{ label: "leaf" }] })).toThrow(/does not match/);
  }
});

test("ES-024 one validator for each dialect is shared, so its meta-schema is loaded once", () => {
  // Both dialects' classes share this parent.
  const loads = vi.spyOn(Object.getPrototypeOf(Ajv.prototype), "addMetaSchema");
  stateOf({ type: "object" });
  stateOf({ $schema: draft2020, type: "object" });
  loads.mockClear();
  for (let count = 0; count < 20; count++) {
    stateOf({ type: "object", title: `${count}` });
    stateOf({ $schema: draft2020, type: "object", title: `${count}` });
  }
  expect(loads).not.toHaveBeenCalled();
});

test("ES-024 schemas with one $id do not disturb each other", () => {
  const schema = (type: string): object => ({
    $id: "https://example.test/thing",
    type: "object",
    properties: { a: { $id: "https://example.test/inner", type } },
  });
  const first = defineEvent("ci.created", { schema: schema("integer") });
  const second = defineEvent("ci.removed", { schema: schema("string") });
  expect(outcome(() => first.create(Object({ a: 1 })))).toBe("created");
  expect(outcome(() => second.create(Object({ a: "x" })))).toBe("created");
  expect(outcome(() => second.create(Object({ a: 1 })))).toBe("EVT_DATA_INVALID");
});

describe("ES-024 of the data", () => {
  const definition = defineEvent("ci.created", {
    schema: {
      type: "object",
      properties: {
        count: { type: "integer", default: 5 },
        email: { type: "string", format: "email" },
        "x-note": { "x-own": true, description: "an annotation nobody knows" },
      },
    },
  });

  test("every problem is told", () => {
    const data: object = { count: "1", email: "nobody" };
    expect(problemsOf(() => definition.create(data)).map(({ pointer }) => pointer)).toEqual(["/count", "/email"]);
  });

  test("formats are asserted", () => {
    expect(problemsOf(() => definition.create({ email: "nobody" }))).toMatchObject([{ keyword: "format" }]);
  });

  test("nothing is converted", () => {
    const data: object = { count: "1" };
    expect(outcome(() => definition.create(data))).toBe("EVT_DATA_INVALID");
  });

  test("no default is filled in", () => {
    expect(definition.create({}).data).toEqual({});
  });

  test("ES-026 undeclared properties are accepted and kept", () => {
    const data: object = { surprise: { deep: 1 } };
    expect(definition.create(data).data).toEqual(data);
  });
});

test("ES-026 additionalProperties: false refuses undeclared properties and names them", () => {
  const definition = defineEvent("ci.created", {
    schema: { type: "object", properties: { a: { type: "integer" } }, additionalProperties: false },
  });
  const data: object = { a: 1, surprise: 2 };
  expect(problemsOf(() => definition.create(data))).toEqual([
    { pointer: "", keyword: "additionalProperties", message: "must NOT have additional properties (surprise)" },
  ]);
});

test("ES-029 properties with the names of inherited members are judged by the data alone", () => {
  const properties = { constructor: { type: "string" }, toString: { type: "string" }, __proto__: null };
  const definition = defineEvent("ci.created", { schema: { type: "object", properties } });
  const demanding = defineEvent("ci.created", { schema: { type: "object", required: ["constructor"] } });
  expect(outcome(() => definition.create(Object({})))).toBe("created");
  expect(outcome(() => definition.create(Object({ constructor: "Ferrari" })))).toBe("created");
  expect(outcome(() => definition.create(Object({ constructor: 5 })))).toBe("EVT_DATA_INVALID");
  expect(outcome(() => demanding.create(Object({})))).toBe("EVT_DATA_INVALID");
});

test("ES-029 the event holds a frozen deep copy of the data", () => {
  const definition = defineEvent("ci.created", {
    schema: { type: "object", properties: { list: { type: "array", items: { type: "string" } } } },
  });
  const data = { list: ["before"] };
  const event = definition.create(data);
  data.list.push("after");
  expect(event.data).toEqual({ list: ["before"] });
  expect(() => {
    // @ts-expect-error data is read-only
    event.data.list = [];
  }).toThrow(TypeError);
  expect(Object.isFrozen(event.data.list)).toBe(true);
});

test("ES-029 an event itself cannot be changed", () => {
  const event = defineEvent("ci.created", { schema: { type: "object" } }).create({});
  expect(Object.isFrozen(event)).toBe(true);
  expect(Object.isFrozen(event.extensions)).toBe(true);
  expect(() => Object.assign(event, { id: "other" })).toThrow(TypeError);
  expect(() => Object.assign(event, { source: "other" })).toThrow(TypeError);
});

test("ES-029 JSON is refused or kept before the schema sees it", () => {
  const definition = defineEvent("ci.created", { schema: { type: "object", properties: { at: {} } } });
  expect(outcome(() => definition.create({ at: new Date(0) }))).toBe("EVT_DATA_NOT_JSON");
});

// Versions

test("ES-032 a chain of upcasters up to the version registers", () => {
  const up: Upcast = (data) => data;
  const chains: Record<number, Upcast>[] = [{}, { 2: up }, { 1: up, 2: up }];
  for (const upcast of chains) expect(register({ version: 3, upcast })).toBe("registered");
});

test("ES-032 a gap in the chain is refused when the definition is registered", () => {
  const up: Upcast = (data) => data;
  expect(register({ version: 3, upcast: { 1: up } })).toBe("EVT_SCHEMA_INVALID");
  expect(register({ version: 4, upcast: { 1: up, 3: up } })).toBe("EVT_SCHEMA_INVALID");
});

test("ES-032 an upcaster from the version itself or a later one is refused", () => {
  const up: Upcast = (data) => data;
  expect(register({ version: 1, upcast: { 1: up } })).toBe("EVT_SCHEMA_INVALID");
  expect(register({ version: 2, upcast: { 1: up, 5: up } })).toBe("EVT_SCHEMA_INVALID");
});

// Attributes

test("ES-051 two creations of the same data differ in their id, and ids rise", () => {
  const definition = defineEvent("ci.created", { schema: { type: "object" } });
  const ids = Array.from({ length: 1_000 }, () => definition.create({}).id);
  expect(new Set(ids).size).toBe(1_000);
  expect(ids).toEqual([...ids].sort());
  for (const id of ids) expect(id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
});

test("ES-051 the subject is the option, else the definition's, else the id", () => {
  const plain = defineEvent("ci.created", { schema: { type: "object" } });
  const named = defineEvent("ci.created", {
    schema: { type: "object", required: ["id"], properties: { id: { type: "integer" } } },
    subject: ({ id }) => `pipeline/${id}`,
  });
  const event = plain.create({});
  expect(event.subject).toBe(event.id);
  expect(named.create({ id: 7 }).subject).toBe("pipeline/7");
  expect(named.create({ id: 7 }, { subject: "other" }).subject).toBe("other");
});

test("ES-051 a subject that cannot be computed or is empty is refused", () => {
  const schema = { type: "object" } as const;
  const throwing = defineEvent("ci.created", {
    schema,
    subject: () => {
      throw new Error("no");
    },
  });
  const empty = defineEvent("ci.created", { schema, subject: () => "" });
  for (const definition of [throwing, empty])
    expect(failure(() => definition.create({}))).toMatchObject({
      code: "EVT_ATTRIBUTE_INVALID",
      details: { attribute: "subject" },
    });
});

test("ES-051 the time is the store's, in RFC 3339 UTC with milliseconds", () => {
  const definition = defineEvent("ci.created", { schema: { type: "object" } });
  const clock = createVirtualClock(Date.UTC(2026, 1, 3, 4, 5, 6, 7));
  createEventStore({
    transport: createMemoryTransport({ clock }),
    clock,
    source: "app",
    configure: (registry) => void registry.register(definition),
  });
  expect(definition.create({}).time).toBe("2026-02-03T04:05:06.007Z");
});

test("ES-051 a given time is brought to UTC", () => {
  const definition = defineEvent("ci.created", { schema: { type: "object" } });
  expect(definition.create({}, { time: "2026-02-03T04:05:06+02:00" }).time).toBe("2026-02-03T02:05:06.000Z");
});

test.each([
  ["id", ""],
  ["id", "a b"],
  ["id", "é"],
  ["id", "x".repeat(129)],
  ["source", ""],
  ["subject", ""],
  ["time", "yesterday"],
  ["time", "2026-02-03"],
  ["time", "2026-02-30T00:00:00Z"],
  ["time", "2026-02-03T24:00:00Z"],
  ["time", "9999-12-31T23:59:59-01:00"],
  ["key", ""],
  ["key", "x".repeat(257)],
  ["sequence", 5],
  ["userId", ""],
  ["correlationId", "x".repeat(65)],
  ["correlationId", "a b"],
  ["causationId", "x".repeat(129)],
])("ES-051 %s: %j is refused", (attribute, value) => {
  const definition = defineEvent("ci.created", { schema: { type: "object" } });
  const error = failure(() => definition.create({}, { [attribute]: value }));
  expect(error).toBeInstanceOf(InvalidEvent);
  expect(error).toMatchObject({ code: "EVT_ATTRIBUTE_INVALID", details: { attribute } });
});

test("ES-051 the longest id and key are accepted", () => {
  const event = defineEvent("ci.created", { schema: { type: "object" } }).create(
    {},
    { id: `!~${"x".repeat(126)}`, key: "x".repeat(256) },
  );
  expect(event.id).toHaveLength(128);
  expect(event.key).toHaveLength(256);
});

test("ES-050 extensions with short lower-case names and scalar values are accepted", () => {
  const extensions = { a: "text", b1: true, c: -(2 ** 31), d: 2 ** 31 - 1, abcdefghij0123456789: "", constructor: "x" };
  const event = defineEvent("ci.created", { schema: { type: "object" } }).create({}, { extensions });
  expect(event.extensions).toEqual(extensions);
});

test.each([
  ["Upper", "x"],
  ["under_score", "x"],
  ["", "x"],
  ["abcdefghij01234567890", "x"],
  ["a", null],
  ["a", 1.5],
  ["a", 2 ** 31],
  ["a", Number.NaN],
  ["a", {}],
  ["a", undefined],
  ...["id", "data", "type", "source", "time", "correlationid", "partitionkey", "logmeta", "dataref"].map(
    (name): [string, unknown] => [name, "x"],
  ),
])("ES-050 the extension %j: %j is refused with EVT_ATTRIBUTE_INVALID", (name, value) => {
  const definition = defineEvent("ci.created", { schema: { type: "object" } });
  // @ts-expect-error among the values are bad ones
  expect(failure(() => definition.create({}, { extensions: { [name]: value } }))).toMatchObject({
    code: "EVT_ATTRIBUTE_INVALID",
    details: { attribute: name },
  });
});

test("ES-050 an unknown option of create is refused by name", () => {
  const definition = defineEvent("ci.created", { schema: { type: "object" } });
  // @ts-expect-error a misspelt option
  expect(failure(() => definition.create({}, { corelationId: "x" })).message).toBe(
    "Unknown option `corelationId`; did you mean `correlationId`?",
  );
});

test("ES-100 is() knows events of its type, and no look-alikes", () => {
  const definition = defineEvent("ci.created", { schema: { type: "object" } });
  const other = defineEvent("ci.removed", { schema: { type: "object" } });
  const event = definition.create({});
  expect(definition.is(event)).toBe(true);
  for (const stranger of [other.create({}), { ...event }, Object.create(event), null, undefined, "ci.created"])
    expect(definition.is(stranger)).toBe(false);
});

/** A schema that the compiler of the test cannot see through. */
function broken(schema: object): object {
  return schema;
}

function stateOf(schema: object): string {
  const definition = defineEvent("ci.created", { schema });
  outcome(() => definition.create({}));
  return definition.schemaState;
}

/** A schema that counts how often somebody looks at its members. */
function counted(schema: object): { readonly schema: object; looks(): number } {
  let looks = 0;
  const proxy = new Proxy(schema, {
    ownKeys: (target) => {
      looks++;
      return Reflect.ownKeys(target);
    },
    get: (target, key) => {
      looks++;
      return Reflect.get(target, key);
    },
  });
  return { schema: proxy, looks: () => looks };
}

function register(options: { version: number; upcast: EventOptions<object>["upcast"] }): string {
  return outcome(
    () =>
      createEventStore({
        transport: createMemoryTransport(),
        source: "app",
        configure: (registry) => void registry.register(defineEvent("ci.created", { schema: {}, ...options })),
      }),
    "registered",
  );
}

function outcome(work: () => unknown, success = "created"): string {
  try {
    work();
    return success;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

function failure(work: () => unknown): EventStoreError {
  try {
    work();
  } catch (error) {
    if (error instanceof Error && "code" in error) return error as EventStoreError;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function problemsOf(work: () => unknown): readonly { pointer: string; keyword: string; message: string }[] {
  const { errors } = failure(work).details;
  return Array.isArray(errors) ? errors : [];
}
