import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { defineEvent, type PayloadOf } from "./index.js";
import { zodSchema } from "./zod.js";

const schema = z.object({
  pipeline_id: z.int().positive(),
  ref: z.string().max(100).optional(),
  status: z.enum(["success", "failed"]),
  jobs: z.array(z.object({ id: z.int() })).default([]),
});
const PipelineFinished = defineEvent("ci.pipeline_finished", { schema: zodSchema(schema) });

describe("zodSchema", () => {
  test("ES-005 the payload has the type that goes into the schema", () => {
    expectTypeOf<PayloadOf<typeof PipelineFinished>>().toEqualTypeOf<z.input<typeof schema>>();
    const typed = () => [
      // @ts-expect-error a required key is missing
      PipelineFinished.create({ pipeline_id: 1 }),
      // @ts-expect-error of another type
      PipelineFinished.create({ pipeline_id: "1", status: "failed" }),
      // @ts-expect-error an excess key
      PipelineFinished.create({ pipeline_id: 1, status: "failed", reff: "main" }),
    ];
    expect(typed).toBeTypeOf("function");
  });

  test("ES-005 data is checked by what the schema says", () => {
    const { data } = PipelineFinished.create({ pipeline_id: 1, status: "failed" });
    // Nothing is filled in: the event is what was published.
    expect(data).toEqual({ pipeline_id: 1, status: "failed" });
    const wrong = [
      { pipeline_id: -1, status: "failed" },
      { pipeline_id: 1.5, status: "failed" },
      { pipeline_id: 1, status: "other" },
      { pipeline_id: 1, status: "failed", ref: "x".repeat(101) },
      { pipeline_id: 1, status: "failed", jobs: [{}] },
      { status: "failed" },
    ];
    for (const one of wrong)
      expect(() => PipelineFinished.create(one as never), JSON.stringify(one)).toThrow(
        expect.objectContaining({ code: "EVT_DATA_INVALID" }),
      );
    expect(PipelineFinished.schemaState).toBe("valid");
  });

  test("ES-005 schemas that refer to themselves work, what JSON cannot carry is refused", () => {
    const tree = z.object({
      name: z.string(),
      get children() {
        return z.array(tree).optional();
      },
    });
    const Grown = defineEvent("forest.tree_grown", { schema: zodSchema(tree) });
    Grown.create({ name: "root", children: [{ name: "leaf" }] });
    expect(() => Grown.create({ name: "root", children: [{ nam: "leaf" }] } as never)).toThrow();
    for (const one of [
      z.object({ at: z.date() }),
      z.object({ n: z.bigint() }),
      z.object({ m: z.map(z.string(), z.string()) }),
    ])
      expect(() => zodSchema(one)).toThrow(expect.objectContaining({ code: "EVT_SCHEMA_INVALID" }));
  });
});
