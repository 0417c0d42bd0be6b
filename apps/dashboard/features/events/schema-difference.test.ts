import { expect, test } from "vitest";
import { differencesOf, fieldsOf } from "./schema-difference.js";

const first = {
  type: "object",
  required: ["id", "seconds"],
  properties: {
    id: { type: "integer", description: "Number" },
    seconds: { type: "number" },
    tags: { type: "array", items: { type: "string" } },
  },
};

test("two versions differ in the fields that are new, gone, or limited otherwise; words about them do not count", () => {
  const second = {
    type: "object",
    title: "The second",
    required: ["id"],
    properties: {
      id: { type: "integer", description: "Number of the pipeline" },
      duration_ms: { type: "integer", minimum: 0 },
      tags: { type: "array", items: { type: "string", maxLength: 10 } },
    },
  };
  expect(differencesOf(first, second)).toEqual([
    { pointer: "/duration_ms", kind: "added", after: "integer, optional, minimum 0" },
    { pointer: "/seconds", kind: "removed", before: "number, required" },
    { pointer: "/tags/*", kind: "changed", before: "string, optional", after: "string, optional, maxLength 10" },
  ]);
  expect(differencesOf(first, first)).toEqual([]);
});

test("schemas that say nothing have no fields", () => {
  for (const schema of [true, null, {}, { type: "object" }]) expect([...fieldsOf(schema)]).toEqual([]);
});
