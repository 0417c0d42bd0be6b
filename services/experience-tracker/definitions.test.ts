import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrometheusMetrics } from "@signalbox/http";
import { createVirtualClock, systemClock } from "@signalbox/kernel";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createDefinitions, type DefinitionsOptions } from "./definitions.js";
import { answerOf, recordingLogger, startTracker } from "./testing/start-tracker.js";

const valid = { description: "Checkout", feature_category: "billing", urgency: "sync_fast" };
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "definitions-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
});
const write = (name: string, content: object | string): void =>
  writeFileSync(join(directory, name), typeof content === "string" ? content : JSON.stringify(content));

async function load(options: Partial<DefinitionsOptions> = {}) {
  const { logger, lines } = recordingLogger();
  const metrics = createPrometheusMetrics();
  const definitions = createDefinitions({ directory, clock: systemClock, logger, metrics, ...options });
  await definitions.service.start();
  onTestFinished(() => definitions.service.stop());
  const stateOf = async (state: string): Promise<number> => {
    const { body } = await metrics.exposition();
    return Number(new RegExp(`signalbox_experience_definitions\\{state="${state}"\\} (\\d+)`).exec(body)?.[1]);
  };
  return { definitions, lines, stateOf };
}

test("XP-010 XP-477 XP-514 an invalid file is named once, the others load", async () => {
  write("good.yml", valid);
  write("bad.yml", { ...valid, urgency: "fast" });
  const { definitions, lines, stateOf } = await load();
  expect(definitions.registry.get("good")).toBeDefined();
  expect(definitions.registry.get("bad")).toBeUndefined();
  await definitions.reload();
  expect(lines.filter(({ message }) => message === "experience.definition_invalid")).toMatchObject([
    { level: "warn", fields: { file: "bad.yml", field: "urgency" } },
  ]);
  expect(await Promise.all(["valid", "stale", "invalid"].map(stateOf))).toEqual([1, 0, 1]);
});

test("XP-010 a missing folder is an empty registry and a warning, and it may appear later", async () => {
  rmSync(directory, { recursive: true });
  const { definitions, lines } = await load();
  expect(definitions.registry.definitions.map(({ id }) => id)).toEqual([
    "signalbox_canary",
    "signalbox_relay_historic_sync",
  ]);
  expect(lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  mkdirSync(directory);
  write("late.yml", valid);
  expect(await definitions.reload()).toEqual({ loaded: 1, stale: 0, invalid: 0 });
});

test("XP-011 a changed folder is in force soon; what became invalid keeps its last valid content", async () => {
  write("checkout.yml", valid);
  write("other.yml", valid);
  const { definitions, stateOf } = await load();
  const { version } = definitions.registry.get("checkout") ?? {};
  const before = definitions.registry;
  write("checkout.yml", "urgency: [");
  write("new.yml", valid);
  unlinkSync(join(directory, "other.yml"));
  await expect.poll(() => definitions.registry.get("new") !== undefined).toBe(true);
  await expect.poll(() => stateOf("stale")).toBe(1);
  expect(definitions.registry.get("checkout")?.version).toBe(version);
  expect(definitions.registry.get("other")).toBeUndefined();
  expect(before.get("other")).toBeDefined();
  write("checkout.yml", { ...valid, timeout_s: 99 });
  await expect.poll(() => definitions.registry.get("checkout")?.timeoutMs).toBe(99_000);
});

test("XP-009 the list of feature categories is read again with the definitions", async () => {
  write("checkout.yml", valid);
  const file = join(directory, "categories");
  writeFileSync(file, "- code_review\n");
  const { definitions } = await load({ featureCategoriesFile: file });
  expect(definitions.registry.get("checkout")).toBeUndefined();
  writeFileSync(file, "- code_review\n- billing\n");
  await definitions.reload();
  expect(definitions.registry.get("checkout")).toBeDefined();
});

test("XP-009 a list of feature categories that became unreadable stays in force, and that is told once", async () => {
  write("checkout.yml", valid);
  const file = join(directory, "categories");
  writeFileSync(file, "- code_review\n");
  const { definitions, lines } = await load({ featureCategoriesFile: file, clock: createVirtualClock() });
  for (const content of ["- [", "- ["]) {
    writeFileSync(file, content);
    await definitions.reload();
  }
  expect(definitions.registry.get("checkout")).toBeUndefined();
  unlinkSync(file);
  await definitions.reload();
  expect(definitions.registry.get("checkout")).toBeUndefined();
  expect(lines.filter(({ message }) => message.includes("feature categories"))).toHaveLength(2);
});

describe("over HTTP", () => {
  test("XP-164 XP-166 XP-008 lists, shows with its tag, validates and reloads", async () => {
    const tracker = await startTracker();
    onTestFinished(() => tracker.close());
    const list = await tracker.get("/definitions");
    expect(list.body.definitions.map(({ id }: { id: string }) => id)).toContain("create_merge_request");
    const again = await fetch(`${tracker.url}/definitions`, {
      headers: { ...(await tracker.headers("experience:read")), "if-none-match": list.headers.get("etag") ?? "" },
    });
    expect(again.status).toBe(304);
    expect((await tracker.get("/definitions/create_merge_request")).body).toMatchObject({
      urgency: "sync_fast",
      threshold_s: 2,
      state: "valid",
    });
    expect(await tracker.get("/definitions/nothing")).toMatchObject({
      status: 404,
      body: { code: "definition_not_found" },
    });
    expect((await tracker.get("/definitions/schema.json")).body).toMatchObject({
      $schema: "http://json-schema.org/draft-07/schema#",
    });

    const validate = async (body: string, type: string) =>
      answerOf(
        await fetch(`${tracker.url}/definitions/validate`, {
          method: "POST",
          headers: { ...(await tracker.headers("experience:read")), "content-type": type },
          body,
        }),
      );
    expect(await validate(JSON.stringify({ ...valid, newer: 1 }), "application/json")).toMatchObject({
      status: 200,
      body: { valid: true, errors: [], warnings: [{ field: "newer" }] },
    });
    expect((await validate("description: x\nurgency: fast\n", "application/yaml")).body).toMatchObject({
      valid: false,
      errors: [{ field: "feature_category" }, { field: "urgency" }],
    });
    expect((await validate("a: [", "text/yaml")).body).toMatchObject({ valid: false });

    await tracker.define("create_merge_request", { ...valid, urgency: "nonsense" });
    await tracker.define("another", valid);
    const reload = async (scope: "experience:admin" | "experience:read") =>
      answerOf(
        await fetch(`${tracker.url}/definitions/reload`, { method: "POST", headers: await tracker.headers(scope) }),
      );
    expect((await reload("experience:read")).status).toBe(403);
    expect((await reload("experience:admin")).body).toEqual({ loaded: 1, stale: 1, invalid: 0 });
    expect((await tracker.get("/definitions/create_merge_request")).body).toMatchObject({
      urgency: "sync_fast",
      state: "stale",
    });
  });
});
