import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

// Inside the package, so that the examples find it by its name; built, as its users get it.
const home = fileURLToPath(new URL("../.cache/runners/", import.meta.url));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const require = createRequire(import.meta.url);

/** Definitions, a service and a worker, as an application has them. */
const application = `
import { defineEvent, defineSubscriber } from "@signalbox/event-store";
import { createTestStore } from "@signalbox/event-store/testing";

export const PipelineCreated = defineEvent("ci.pipeline_created", {
  schema: { type: "object", properties: { pipeline_id: { type: "integer" }, ref: { type: "string" } }, required: ["pipeline_id"] },
});
export const PipelineDeleted = defineEvent("ci.pipeline_deleted", { schema: { type: "object" } });
export const heads = new Map();
export const updateHead = defineSubscriber("merge_requests.update_head_pipeline", {
  handle: async ({ data }) => void heads.set(data.ref, data.pipeline_id),
});
export const createStore = () =>
  createTestStore({
    configure: (registry) => {
      registry.register(PipelineDeleted);
      registry.subscribe(updateHead, { to: PipelineCreated, if: ({ data }) => data.ref !== undefined });
    },
  });
export const { store } = createStore();
export const createPipeline = (pipeline_id, ref = "main") => store.publish(PipelineCreated.create({ pipeline_id, ref }));
`;

/** Matchers and suites, as Vitest and Jest have them; the last tests must fail. */
const matcherSuite = `
import { notPublished, published, subscribesToEvent, ignoresEvent, trackedSession } from "@signalbox/event-store/testing";
import { createPipeline, createStore, PipelineCreated, PipelineDeleted, store, updateHead } from "./application.mjs";

test("matches", async () => {
  await expect(() => createPipeline(1)).toPublishEvent(PipelineCreated);
  await expect(() => createPipeline(1)).toPublishEvent(PipelineCreated, { pipeline_id: expect.any(Number) });
  await expect(() => createPipeline(1)).not.toPublishEvent(PipelineDeleted);
  await expect(() => createPipeline(1)).toPublishEvents(
    published(PipelineCreated).with({ ref: expect.stringMatching(/^m/) }).once(),
    notPublished(PipelineDeleted),
  );
  await expect(Promise.all([1, 2].map((id) => expect(() => createPipeline(id)).toPublishEvent(PipelineCreated, { pipeline_id: id })))).resolves.toHaveLength(2);
  expect(() => expect(createPipeline(9)).toPublishEvent(PipelineCreated)).toThrow("toPublishEvent needs a function");
  await trackedSession(store, () => createPipeline(2));
});
subscribesToEvent({ store: createStore, subscriber: updateHead, event: () => PipelineCreated.create({ pipeline_id: 3, ref: "main" }), runner: { describe, it } });
ignoresEvent({ store: createStore, subscriber: updateHead, event: () => PipelineCreated.create({ pipeline_id: 3 }), runner: { describe, it } });
afterAll(() => store.stop());

test("must fail: wrong data", () => expect(() => createPipeline(1)).toPublishEvent(PipelineCreated, { pipeline_id: 2 }));
test("must fail: negated", () => expect(() => createPipeline(1)).not.toPublishEvent(PipelineCreated));
test("must fail: ambiguous", () => expect(() => createPipeline(1)).not.toPublishEvent(PipelineCreated, { pipeline_id: 2 }));
`;

const nodeSuite = `
import assert from "node:assert/strict";
import { describe, it, test, after } from "node:test";
import { assertPublishes, assertPublishesNothing, notPublished, published, recordEvents, subscribesToEvent, trackedSession } from "@signalbox/event-store/testing";
import { createPipeline, createStore, PipelineCreated, PipelineDeleted, store, updateHead } from "./application.mjs";

test("matches", async () => {
  const events = await recordEvents(() => createPipeline(1));
  assert.deepEqual(events.map(({ data }) => data), [{ pipeline_id: 1, ref: "main" }]);
  await assertPublishes(() => createPipeline(1), published(PipelineCreated).with({ pipeline_id: 1 }).once(), notPublished(PipelineDeleted));
  await assertPublishesNothing(() => {});
  await trackedSession(store, () => createPipeline(2));
});
subscribesToEvent({ store: createStore, subscriber: updateHead, event: () => PipelineCreated.create({ pipeline_id: 3, ref: "main" }), runner: { describe, it } });
after(() => store.stop());

test("must fail: wrong data", () => assertPublishes(() => createPipeline(1), published(PipelineCreated).with({ pipeline_id: 2 })));
test("must fail: anything", () => assertPublishesNothing(() => createPipeline(1)));
`;

/** Writes a project and runs a program in it. */
async function run(name: string, files: Readonly<Record<string, string>>, program: string, args: readonly string[]) {
  const folder = join(home, name);
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries({ "application.mjs": application, ...files }))
    writeFileSync(join(folder, file), text);
  const { VITEST: _, NODE_OPTIONS: __, VITEST_POOL_ID: ___, VITEST_WORKER_ID: ____, ...env } = process.env;
  return new Promise<{ exitCode: number | string | null | undefined; output: string }>((resolve) => {
    execFile(
      process.execPath,
      [program, ...args],
      { cwd: folder, env: { ...env, NODE_ENV: "test", CI: "true", NO_COLOR: "1" }, timeout: 100_000 },
      (error, stdout, stderr) => resolve({ exitCode: error ? error.code : 0, output: stdout + stderr }),
    );
  });
}

describe("the test kit in real test runners", () => {
  test("ES-311 ES-313 ES-314 ES-320 ES-321 ES-330 in Vitest", async () => {
    const vitest = join(dirname(require.resolve("vitest/package.json")), "vitest.mjs");
    const { exitCode, output } = await run(
      "vitest",
      {
        "pipelines.test.mjs": `import { afterAll, describe, expect, it, test } from "vitest";${matcherSuite}`,
        "vitest.config.mjs": `export default { test: { setupFiles: ["@signalbox/event-store/testing/vitest"], reporters: ["json"] } };`,
      },
      vitest,
      ["run"],
    );
    const report = JSON.parse(output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1));
    expectResults(report.testResults[0].assertionResults);
    expect(exitCode).toBe(1);
  });

  test("ES-311 ES-313 ES-314 ES-320 ES-321 ES-330 in Jest", async () => {
    const { exitCode, output } = await run(
      "jest",
      {
        "pipelines.test.mjs": `import { afterAll, describe, expect, it, test } from "@jest/globals";${matcherSuite}`,
        "package.json": "{}",
        "jest.config.json": JSON.stringify({
          testMatch: ["**/*.test.mjs"],
          transform: {},
          setupFilesAfterEnv: ["@signalbox/event-store/testing/jest"],
        }),
      },
      "--experimental-vm-modules",
      [join(dirname(require.resolve("jest/package.json")), "bin/jest.js"), "--json", "--no-cache"],
    );
    const report = JSON.parse(output.slice(output.indexOf('{"num'), output.indexOf("}\n") + 1));
    expectResults(report.testResults[0].assertionResults);
    expect(exitCode).toBe(1);
  });

  test("ES-317 ES-320 ES-330 in node:test, with no other test runner in the process", async () => {
    const noRunner = `
import { register } from "node:module";
register("data:text/javascript," + encodeURIComponent(\`
  export async function resolve(specifier, context, next) {
    if (/^(vitest|jest|@jest|@vitest|expect)/.test(specifier)) throw new Error("imported " + specifier);
    return next(specifier, context);
  }\`));`;
    const { exitCode, output } = await run(
      "node",
      { "pipelines.test.mjs": nodeSuite, "no-runner.mjs": noRunner },
      "--import",
      ["./no-runner.mjs", "--test", "--test-reporter=tap", "pipelines.test.mjs"],
    );
    expect(output).toMatch(/^ *ok \d+ - matches$/m);
    expect(output).toMatch(/^ *ok \d+ - merge_requests\.update_head_pipeline subscribes to the event$/m);
    expect(output).toMatch(/^ *not ok \d+ - must fail: wrong data$/m);
    expect(output).toMatch(/^ *not ok \d+ - must fail: anything$/m);
    expect(output).toMatch(/^# fail 2$/m);
    expect(output).toContain("ERR_ASSERTION");
    expect(exitCode).toBe(1);
  });
});

function expectResults(results: readonly { title: string; status: string; failureMessages: string[] }[]): void {
  expect(results.map(({ title, status }) => `${status}: ${title}`)).toEqual([
    "passed: matches",
    "passed: handles the event when it is published",
    "passed: handles the event twice with one result",
    "passed: is not called when the event is published",
    "failed: must fail: wrong data",
    "failed: must fail: negated",
    "failed: must fail: ambiguous",
  ]);
  const texts = results.flatMap(({ failureMessages }) => failureMessages.join());
  expect(texts[4]).toContain("expected ci.pipeline_created with { pipeline_id: 2 }");
  expect(texts[4]).toContain("1. ci.pipeline_created { pipeline_id: 1, ref: 'main' }");
  expect(texts[5]).toContain("expected no ci.pipeline_created");
  expect(texts[6]).toContain("takes the definition alone");
}
