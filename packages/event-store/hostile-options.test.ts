import { expect, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import { createEventStore } from "./event-store.js";
import { createMemoryTransport } from "./transports/memory.js";

// What throws as soon as somebody looks at it is refused with the code of its place, like any other wrong option.

const Rang = defineEvent("lab.bell_rung", { schema: { type: "object" } });
const listen = defineSubscriber("lab.listen", { handle: async () => {} });
const transport = createMemoryTransport();
const cause = new RangeError("nobody reads this");
const fail = (): never => {
  throw cause;
};

/** The same options with one that cannot be read. */
function withGetter(options: object, name: string): object {
  return Object.defineProperty({ ...options }, name, { enumerable: true, get: fail });
}

/** It answers the first few questions, whoever asks. */
function tiring(options: object, answers: number): object {
  let left = answers;
  const tire = <T>(answer: T): T => (left-- > 0 ? answer : fail());
  return new Proxy(options, {
    ownKeys: (target) => tire(Reflect.ownKeys(target)),
    get: (target, key) => tire(Reflect.get(target, key)),
    getOwnPropertyDescriptor: (target, key) => tire(Reflect.getOwnPropertyDescriptor(target, key)),
  });
}

interface Place {
  readonly code: string;
  readonly options: object;
  readonly nested?: readonly string[];
  use(options: never): unknown;
}

const store = createEventStore({ transport, source: "/lab", configure: (registry) => registry.register(Rang) });
/** As a program without types would call it. */
const subscribeWith = (options: object): unknown =>
  createEventStore({
    transport,
    source: "/lab",
    configure: (registry) => Reflect.apply(registry.subscribe, registry, [listen, options]),
  });

const places: Readonly<Record<string, Place>> = {
  defineEvent: {
    code: "EVT_CONFIG_INVALID",
    options: {
      schema: { type: "object" },
      description: "rang",
      key: () => "k",
      upcast: { 1: (data: object) => data },
      version: 2,
      deprecated: { since: "1.0" },
    },
    nested: ["upcast", "deprecated"],
    use: (options) => defineEvent("lab.other_rung", options),
  },
  defineSubscriber: {
    code: "EVT_SUBSCRIPTION_INVALID",
    options: { handle: async () => {}, retry: { maxAttempts: 3 }, concurrency: { perProcess: 1 }, timeoutMs: 5 },
    nested: ["retry", "concurrency"],
    use: (options) => defineSubscriber("lab.other", options),
  },
  subscribe: {
    code: "EVT_SUBSCRIPTION_INVALID",
    options: { to: Rang, if: () => true, dedup: { until: "executed" }, maxPending: { count: 1 }, fields: ["/a"] },
    nested: ["dedup", "maxPending", "fields"],
    use: subscribeWith,
  },
  createEventStore: {
    code: "EVT_CONFIG_INVALID",
    options: { transport, source: "/lab", configure: () => {}, limits: { slots: 4 }, errors: { condition: "throw" } },
    nested: ["limits", "errors"],
    use: (options) => createEventStore(options),
  },
  create: {
    code: "EVT_ATTRIBUTE_INVALID",
    options: { id: "a", key: "b", extensions: { a: 1 } },
    nested: ["extensions"],
    use: (options) => Rang.create({}, options),
  },
  publish: {
    code: "EVT_CONFIG_INVALID",
    options: { afterCommit: false },
    use: (options) => store.publish(Rang.create({}), options),
  },
  publishGroup: {
    code: "EVT_CONFIG_INVALID",
    options: { afterCommit: false },
    use: (options) => store.publishGroup([Rang.create({})], options),
  },
  createMemoryTransport: {
    code: "EVT_CONFIG_INVALID",
    options: { repetitionWindowMs: 1 },
    use: (options) => createMemoryTransport(options),
  },
};

/** What comes out, thrown or rejected; `undefined` when all is well. */
async function outcomeOf({ use }: Place, options: object): Promise<unknown> {
  try {
    await use(options as never);
    return undefined;
  } catch (error) {
    return error;
  }
}

test.each(Object.entries(places))("ES-004 %s refuses options that throw when they are read", async (_, place) => {
  expect(await outcomeOf(place, { ...place.options })).toBeUndefined();
  const refusal = expect.objectContaining({ code: place.code, retryable: false, cause });
  for (const name of Object.keys(place.options)) {
    expect(await outcomeOf(place, withGetter(place.options, name)), name).toEqual(refusal);
  }
  for (const name of place.nested ?? []) {
    const value: object = Reflect.get(place.options, name);
    const first = Object.keys(value)[0] ?? "";
    const hostile = Array.isArray(value) ? new Proxy(value, { get: fail }) : withGetter(value, first);
    expect(await outcomeOf(place, { ...place.options, [name]: hostile }), name).toEqual(refusal);
  }
});

test.each(Object.entries(places))(
  "ES-004 %s reads its options once, and never lets a raw error out",
  async (_, place) => {
    for (let answers = 0; answers < 60; answers++) {
      const error = await outcomeOf(place, tiring(place.options, answers));
      if (error !== undefined) expect(error, `after ${answers} answers`).toMatchObject({ code: place.code, cause });
    }
  },
);

test("ES-023 a schema that cannot be read is invalid, at every create", () => {
  const schemas: object[] = [
    withGetter({ type: "object" }, "properties"),
    { type: "object", properties: withGetter({}, "name") },
    new Proxy({ type: "object" }, { get: fail, ownKeys: fail }),
    deepSchema(20_000),
  ];
  for (const schema of schemas) {
    const definition = defineEvent("lab.schema_lost", { schema });
    for (let round = 0; round < 2; round++)
      expect(() => definition.create({})).toThrow(expect.objectContaining({ code: "EVT_SCHEMA_INVALID" }));
    expect(definition.schemaState).toBe("invalid");
  }
});

test("ES-074 lists that are none, and names that are no text, are refused by name", () => {
  const define = (options: object) => () => Reflect.apply(defineEvent, undefined, ["lab.list_lost", options]);
  for (const option of ["sensitive", "examples", "upcast"])
    expect(define({ [option]: 5 })).toThrow(
      expect.objectContaining({ code: "EVT_CONFIG_INVALID", details: { option } }),
    );
  const nameless = { toString: fail };
  expect(() => Reflect.apply(defineEvent, undefined, [nameless, {}])).toThrow(
    expect.objectContaining({ code: "EVT_TYPE_INVALID" }),
  );
  expect(() => Reflect.apply(defineSubscriber, undefined, [nameless, {}])).toThrow(
    expect.objectContaining({ code: "EVT_SUBSCRIPTION_INVALID" }),
  );
});

function deepSchema(levels: number): object {
  let schema: object = { type: "object" };
  for (let level = 0; level < levels; level++) schema = { type: "object", properties: { next: schema } };
  return schema;
}
