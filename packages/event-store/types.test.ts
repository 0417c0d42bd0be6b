import { Type } from "@sinclair/typebox";
import { describe, expect, expectTypeOf, test } from "vitest";
import type { DataOf, TypedSchema } from "./data-type.js";
import { defineEvent, type EventDefinition } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import type { Configure, PayloadOf } from "./registry.js";

// Most of this is proved by the compiler, when it reads the tests: `tsc -p tsconfig.tests.json`.

const PipelineCreated = defineEvent("ci.pipeline_created", {
  schema: {
    type: "object",
    required: ["pipeline_id"],
    properties: {
      pipeline_id: { type: "integer" },
      ref: { type: "string" },
      source: { enum: ["push", "schedule"] },
      author: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
    },
  },
});
type Pipeline = PayloadOf<typeof PipelineCreated>;

const JobFinished = defineEvent("ci.job_finished", {
  schema: {
    type: "object",
    required: ["job_id"],
    properties: { job_id: { type: "integer" }, ref: { type: "string" } },
  },
});
type Job = PayloadOf<typeof JobFinished>;

describe("ES-005 data of a JSON Schema literal", () => {
  test("has the schema's type", () => {
    expectTypeOf<Pipeline>().toEqualTypeOf<{
      pipeline_id: number;
      ref?: string;
      source?: "push" | "schedule";
      author?: { name: string };
    }>();
    expectTypeOf(PipelineCreated).toEqualTypeOf<EventDefinition<Pipeline>>();
  });

  test("is checked at create", () => {
    const create = (): unknown[] => [
      PipelineCreated.create({ pipeline_id: 7 }),
      PipelineCreated.create({ pipeline_id: 7, ref: "main", source: "push", author: { name: "ada" } }),
      // @ts-expect-error a required key is missing
      PipelineCreated.create({}),
      // @ts-expect-error a required key is missing
      PipelineCreated.create({ ref: "main" }),
      // @ts-expect-error a type is wrong
      PipelineCreated.create({ pipeline_id: "7" }),
      // @ts-expect-error a value is none of the enumeration
      PipelineCreated.create({ pipeline_id: 7, source: "manual" }),
      // @ts-expect-error a key is one too many
      PipelineCreated.create({ pipeline_id: 7, surprise: 1 }),
      // @ts-expect-error deep below, a key is missing
      PipelineCreated.create({ pipeline_id: 7, author: {} }),
      // @ts-expect-error deep below, a key is one too many
      PipelineCreated.create({ pipeline_id: 7, author: { name: "ada", surprise: 1 } }),
      // @ts-expect-error an option is unknown
      PipelineCreated.create({ pipeline_id: 7 }, { subjct: "x" }),
    ];
    expectTypeOf(create).returns.toEqualTypeOf<unknown[]>();
  });

  test("is read-only in an event at every depth", () => {
    const change = (event: DomainEvent<Pipeline>): void => {
      // @ts-expect-error data cannot be changed
      event.data.pipeline_id = 8;
      // @ts-expect-error nor can what is below
      if (event.data.author) event.data.author.name = "bob";
      // @ts-expect-error nor the event
      event.id = "other";
    };
    expectTypeOf(change).parameter(0).toEqualTypeOf<DomainEvent<Pipeline>>();
  });

  test("follows every keyword that shapes it", () => {
    expectTypeOf<DataOf<{ readonly type: readonly ["string", "null"] }>>().toEqualTypeOf<string | null>();
    expectTypeOf<DataOf<{ readonly type: "array"; readonly items: { readonly type: "number" } }>>().toEqualTypeOf<
      number[]
    >();
    expectTypeOf<
      DataOf<{
        readonly prefixItems: readonly [{ readonly type: "string" }, { readonly type: "integer" }];
        readonly type: "array";
      }>
    >().toEqualTypeOf<[string, number]>();
    expectTypeOf<DataOf<{ readonly const: "push" }>>().toEqualTypeOf<"push">();
    expectTypeOf<
      DataOf<{ readonly anyOf: readonly [{ readonly type: "string" }, { readonly type: "boolean" }] }>
    >().toEqualTypeOf<string | boolean>();
    expectTypeOf<
      DataOf<{ readonly oneOf: readonly [{ readonly const: 1 }, { readonly type: "null" }] }>
    >().toEqualTypeOf<1 | null>();
    expectTypeOf<
      DataOf<{ readonly type: "object"; readonly additionalProperties: { readonly type: "integer" } }>
    >().toEqualTypeOf<{ [key: string]: number }>();
  });

  test("follows local references and allOf", () => {
    const Referring = defineEvent("ci.reference_made", {
      schema: {
        type: "object",
        required: ["author", "reviewer"],
        properties: { author: { $ref: "#/$defs/user" }, reviewer: { $ref: "#/definitions/user" } },
        $defs: { user: { type: "object", required: ["name"], properties: { name: { type: "string" } } } },
        definitions: { user: { type: "string" } },
      },
    });
    expectTypeOf<PayloadOf<typeof Referring>>().toEqualTypeOf<{ author: { name: string }; reviewer: string }>();
    const Combined = defineEvent("ci.parts_combined", {
      schema: {
        allOf: [
          { type: "object", required: ["a"], properties: { a: { type: "string" } } },
          { type: "object", required: ["b"], properties: { b: { type: "boolean" } } },
        ],
      },
    });
    expectTypeOf<PayloadOf<typeof Combined>>().toMatchTypeOf<{ a: string; b: boolean }>();
  });

  test("is a record of anything where the schema says nothing", () => {
    const Anything = defineEvent("ci.anything_happened", { schema: {} });
    expectTypeOf<PayloadOf<typeof Anything>>().toEqualTypeOf<{ readonly [key: string]: unknown }>();
  });

  test("reaches the definition's own functions and examples", () => {
    defineEvent("ci.job_keyed", {
      schema: { type: "object", required: ["job_id"], properties: { job_id: { type: "integer" } } },
      subject: ({ job_id }) => `job/${job_id.toFixed()}`,
      // @ts-expect-error there is no such member
      key: ({ jobId }) => jobId,
      // @ts-expect-error the example does not match
      examples: [{ job_id: "7" }],
    });
  });
});

describe("ES-005 data of schemas from other libraries", () => {
  test("is the static type of a TypeBox schema, checked at create", () => {
    const Typed = defineEvent("ci.job_typed", {
      schema: Type.Object({
        job_id: Type.Integer(),
        ref: Type.Optional(Type.String()),
        source: Type.Union([Type.Literal("push"), Type.Literal("schedule")]),
      }),
    });
    expectTypeOf<PayloadOf<typeof Typed>>().toEqualTypeOf<{
      job_id: number;
      ref?: string;
      source: "push" | "schedule";
    }>();
    const create = (): unknown[] => [
      Typed.create({ job_id: 7, source: "push" }),
      // @ts-expect-error a required key is missing
      Typed.create({ source: "push" }),
      // @ts-expect-error a type is wrong
      Typed.create({ job_id: "7", source: "push" }),
      // @ts-expect-error a key is one too many
      Typed.create({ job_id: 7, source: "push", surprise: 1 }),
    ];
    expectTypeOf(create).returns.toEqualTypeOf<unknown[]>();
    expect(Typed.create({ job_id: 7, source: "push" }).data).toEqual({ job_id: 7, source: "push" });
    const incomplete: object = { job_id: 7 };
    expect(() => Typed.create(incomplete as PayloadOf<typeof Typed>)).toThrow("does not match the defined schema");
  });

  test("is what a converter marked the schema with", () => {
    expectTypeOf<DataOf<object & TypedSchema<{ job_id: number }>>>().toEqualTypeOf<{ job_id: number }>();
  });
});

describe("ES-005 handlers and conditions", () => {
  test("receive the union of the payloads in `to`", () => {
    const Worker = defineSubscriber<Pipeline | Job>("notes.worker", { handle: async () => {} });
    const configure: Configure = (registry) =>
      registry.subscribe(Worker, {
        to: [PipelineCreated, JobFinished],
        if(event) {
          expectTypeOf(event).toEqualTypeOf<DomainEvent<Pipeline | Job>>();
          return event.data.ref !== undefined;
        },
        key(event) {
          expectTypeOf(event).toEqualTypeOf<DomainEvent<Pipeline | Job>>();
          return event.data.ref ?? "none";
        },
      });
    expectTypeOf(configure).toEqualTypeOf<Configure>();
  });

  test("receive the payload of a single event", () => {
    const Worker = defineSubscriber("notes.worker", {
      handle: async (event: DomainEvent<Pipeline>) => void expectTypeOf(event.data.pipeline_id).toEqualTypeOf<number>(),
    });
    const configure: Configure = (registry) => {
      registry.subscribe(Worker, { to: PipelineCreated, if: ({ data }) => data.source === "push" });
      // @ts-expect-error no pipeline comes from there
      registry.subscribe(Worker, { to: PipelineCreated, if: ({ data }) => data.source === "manual" });
      // @ts-expect-error pipelines have no such member
      registry.subscribe(Worker, { to: PipelineCreated, if: ({ data }) => data.job_id > 0 });
    };
    expectTypeOf(configure).toEqualTypeOf<Configure>();
  });

  test("must accept every event in `to`", () => {
    const OfPipelines = defineSubscriber<Pipeline>("notes.of_pipelines", { handle: async () => {} });
    const OfAnything = defineSubscriber<unknown>("notes.of_anything", { handle: async () => {} });
    const InBatches = defineSubscriber("notes.in_batches", {
      handleBatch: async (events: readonly DomainEvent<Job>[]) => void events,
    });
    const configure: Configure = (registry) => {
      registry.subscribe(OfAnything, { to: [PipelineCreated, JobFinished] });
      registry.subscribe(InBatches, { to: JobFinished });
      // @ts-expect-error the handler takes pipelines only
      registry.subscribe(OfPipelines, { to: JobFinished });
      // @ts-expect-error the handler takes pipelines only
      registry.subscribe(OfPipelines, { to: [PipelineCreated, JobFinished] });
      // @ts-expect-error the handler takes jobs only
      registry.subscribe(InBatches, { to: [PipelineCreated] });
    };
    expectTypeOf(configure).toEqualTypeOf<Configure>();
  });

  test("are synchronous where they decide, asynchronous where they work", () => {
    const Worker = defineSubscriber<Job>("notes.worker", { handle: async () => {} });
    const configure: Configure = (registry) => {
      // @ts-expect-error a condition gives no promise
      registry.subscribe(Worker, { to: JobFinished, if: async () => true });
      // @ts-expect-error a key is a text
      registry.subscribe(Worker, { to: JobFinished, key: ({ data }) => data.job_id });
      // @ts-expect-error an option is unknown
      registry.subscribe(Worker, { to: JobFinished, delay: 5 });
    };
    expectTypeOf(configure).toEqualTypeOf<Configure>();
    // @ts-expect-error a handler gives a promise
    expectTypeOf(defineSubscriber<Job>("notes.late", { handle: () => {} })).not.toBeAny();
  });
});

test("ES-005 is() tells the payload's type", () => {
  const read = (event: unknown): number | undefined => (PipelineCreated.is(event) ? event.data.pipeline_id : undefined);
  expectTypeOf(read).returns.toEqualTypeOf<number | undefined>();
});
