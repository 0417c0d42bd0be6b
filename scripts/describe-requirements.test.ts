import { expect, test } from "vitest";
import { describeRequirements, findProofs, findRunners } from "./describe-requirements.mjs";

test("finds ids at the beginning of titles, several in one, over line breaks, and in tables of cases", () => {
  const source = sourceText([
    'test("@PF-061 a failing member fails alone", () => {});',
    "describe.each(engines)(\n  '@ES-001, @ES-002 importing opens nothing', () => {});",
    'test("says \\"@PF-999\\" later", () => {});',
    "test(`@ET-010 refuses %s`, () => {});",
    'const cases = [{\n  title: "@XP-280 a start opens a run",\n}];',
  ]);
  expect(findProofs("a.test.ts", source)).toEqual([
    { id: "PF-061", file: "a.test.ts", title: "a failing member fails alone" },
    { id: "ES-001", file: "a.test.ts", title: "importing opens nothing" },
    { id: "ES-002", file: "a.test.ts", title: "importing opens nothing" },
    { id: "ET-010", file: "a.test.ts", title: "refuses %s" },
    { id: "XP-280", file: "a.test.ts", title: "a start opens a run" },
  ]);
});

test("finds what a benchmark proves", () => {
  const source = sourceText([
    'export const ingest = {\n  name: "errors-ingest",\n  proves: ["@ET-900", "@PF-900"],\n};',
  ]);
  expect(findProofs("errors-ingest.ts", source)).toEqual([
    { id: "ET-900", file: "errors-ingest.ts", title: "benchmark `errors-ingest`" },
    { id: "PF-900", file: "errors-ingest.ts", title: "benchmark `errors-ingest`" },
  ]);
});

const proof = { id: "PF-001", file: "a.test.ts", title: "starts" };

test("refuses an id without a sentence", () => {
  expect(() => describeRequirements({}, [proof])).toThrow("no sentence for PF-001");
});

test("lists what nothing shows yet", () => {
  const text = describeRequirements({ "PF-001": "It starts.", "PF-002": "More." }, [proof]);
  expect(text).toContain("### Platform: not shown yet\n\n- **PF-002** More.\n");
  expect(text).not.toContain("- **PF-001**");
});

test("groups by system and lists the proofs of each id", () => {
  const text = describeRequirements({ "PF-001": "It starts." }, [
    { id: "PF-001", file: "b.test.ts", title: "starts again" },
    { id: "PF-001", file: "a.test.ts", title: "starts" },
  ]);
  expect(text).toContain(
    "## Platform\n\n**PF-001** It starts.\n\n- `a.test.ts`: starts\n- `b.test.ts`: starts again\n",
  );
});

test("tells which tests run a suite or a table of cases, also through another suite", () => {
  const sources = {
    "contract.ts":
      'import { cases } from "./cases.js";\nexport function describeStore() { for (const one of cases) one(); }',
    "cases.ts": "export const cases = [];",
    "sql.test.ts": "describeStore();",
    "redis.test.ts": 'import { describeStore } from "./testing.js";',
    "other.test.ts": "describeStores();",
  };
  const proofs = ["contract.ts", "cases.ts", "sql.test.ts"].map((file) => ({ ...proof, file }));
  const suites = findRunners(sources, proofs);
  expect(suites).toEqual({
    "cases.ts": ["redis.test.ts", "sql.test.ts"],
    "contract.ts": ["redis.test.ts", "sql.test.ts"],
  });
  const text = describeRequirements({ "PF-001": "It starts." }, proofs, suites);
  expect(text).toContain("## Who runs the suites\n\n`cases.ts`\n\n- `redis.test.ts`\n- `sql.test.ts`\n");
  expect(() => describeRequirements({ "PF-001": "It starts." }, proofs, { "cases.ts": [] })).toThrow(
    "no test runs cases.ts",
  );
});

/** The `@` keeps the ids in this file from being taken for claims of its own. */
function sourceText(lines: readonly string[]): string {
  return lines.join("\n").replaceAll("@", "");
}
