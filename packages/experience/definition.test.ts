import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  builtInDefinitions,
  createRegistry,
  type Definition,
  type DefinitionOptions,
  type KnownFiles,
  parseDefinition,
  parseDefinitionFile,
  readDefinitionFolder,
} from "./index.js";

const valid = { description: "Checkout", feature_category: "billing", urgency: "sync_fast" };

function read(changes: object = {}, options: DefinitionOptions = {}): Definition {
  const reading = parseDefinition("checkout", { ...valid, ...changes }, options);
  if (reading.kind === "invalid") throw new Error(JSON.stringify(reading.errors));
  return reading.definition;
}

function faultsOf(content: unknown, options: DefinitionOptions = {}): string[] {
  const reading = parseDefinition("checkout", content, options);
  return reading.kind === "valid" ? [] : reading.errors.map(({ field }) => field);
}

describe("what a definition says", () => {
  test("XP-002 the three required keys, each with its form", () => {
    expect(faultsOf({})).toEqual(["description", "feature_category", "urgency"]);
    expect(faultsOf({ ...valid, description: "" })).toEqual(["description"]);
    expect(faultsOf({ ...valid, description: "x".repeat(1_001) })).toEqual(["description"]);
    expect(faultsOf({ ...valid, description: "x".repeat(1_000) })).toEqual([]);
    for (const feature_category of ["Billing", "1a", "a-b", "a".repeat(65), 7])
      expect(faultsOf({ ...valid, feature_category })).toEqual(["feature_category"]);
    expect(faultsOf({ ...valid, urgency: "fast" })).toEqual(["urgency"]);
    for (const content of [null, [], "text", 7]) expect(faultsOf(content)).not.toEqual([]);
  });

  test.each([
    ["sync_fast", 2_000, 30_000],
    ["sync_slow", 5_000, 60_000],
    ["async_fast", 15_000, 150_000],
    ["async_slow", 300_000, 3_600_000],
  ])("XP-003 XP-005 %s has its threshold and timeout", (urgency, thresholdMs, timeoutMs) => {
    expect(read({ urgency })).toMatchObject({ thresholdMs, timeoutMs, inactivityTimeoutMs: undefined });
    expect(faultsOf({ ...valid, urgency, apdex_threshold_s: 1 })).toEqual(["apdex_threshold_s"]);
  });

  test("XP-003 XP-005 custom brings its own threshold and lives ten times as long", () => {
    expect(faultsOf({ ...valid, urgency: "custom" })).toEqual(["apdex_threshold_s"]);
    const custom = (apdex_threshold_s: number): object => ({ urgency: "custom", apdex_threshold_s });
    expect(read(custom(0.25))).toMatchObject({ thresholdMs: 250, timeoutMs: 2_500 });
    expect(read(custom(1.005)).thresholdMs).toBe(1_005);
    expect(read(custom(600)).thresholdMs).toBe(600_000);
    for (const wrong of [0, -1, 600.1]) expect(faultsOf({ ...valid, ...custom(wrong) })).toEqual(["apdex_threshold_s"]);
  });

  test("XP-004 the objective is open at both ends and has defaults", () => {
    expect(read().slo).toEqual({ apdexPct: 99.95, errorPct: 0.05 });
    expect(read({ slo: { error_pct: 1 } }).slo).toEqual({ apdexPct: 99.95, errorPct: 1 });
    for (const slo of [{ apdex_pct: 0 }, { apdex_pct: 100 }, { error_pct: 0 }, { error_pct: 100 }, { other: 1 }])
      expect(faultsOf({ ...valid, slo })).toHaveLength(1);
  });

  test("XP-005 a timeout is at least the threshold and at most a week; inactivity at most the timeout", () => {
    expect(read({ timeout_s: 2 }).timeoutMs).toBe(2_000);
    expect(faultsOf({ ...valid, timeout_s: 1.999 })).toEqual(["timeout_s"]);
    expect(read({ timeout_s: 604_800 }).timeoutMs).toBe(604_800_000);
    expect(faultsOf({ ...valid, timeout_s: 604_801 })).toEqual(["timeout_s"]);
    expect(read({ inactivity_timeout_s: 30 }).inactivityTimeoutMs).toBe(30_000);
    expect(faultsOf({ ...valid, inactivity_timeout_s: 30.1 })).toEqual(["inactivity_timeout_s"]);
    expect(faultsOf({ ...valid, inactivity_timeout_s: 0 })).toEqual(["inactivity_timeout_s"]);
  });

  test("XP-340 a deployment's timeouts replace the defaults, never a definition's own", () => {
    const options = { timeouts: { sync_fast: 45_000 } };
    expect(read({}, options).timeoutMs).toBe(45_000);
    expect(read({ timeout_s: 10 }, options).timeoutMs).toBe(10_000);
    expect(read({ urgency: "sync_slow" }, options).timeoutMs).toBe(60_000);
  });

  test("XP-006 types, categories and alerts", () => {
    expect(read()).toMatchObject({
      types: [],
      checkpointCategories: [],
      alerts: { enabled: true, minEvents: 10, minFailures: 3, expectTrafficWithinS: undefined },
    });
    expect(read({ types: ["web"], alerts: { enabled: false, expect_traffic_within_s: 60 } })).toMatchObject({
      types: ["web"],
      alerts: { enabled: false, minEvents: 10, expectTrafficWithinS: 60 },
    });
    const many = Array.from({ length: 51 }, (_, index) => `c${index}`);
    expect(faultsOf({ ...valid, checkpoint_categories: many })).toEqual(["checkpoint_categories"]);
    expect(faultsOf({ ...valid, checkpoint_categories: many.slice(1) })).toEqual([]);
  });

  test("XP-008 an unknown key is a warning, and an error when strict", () => {
    const content = { $schema: "x", ...valid, newer_feature: true };
    const reading = parseDefinition("checkout", content);
    expect(reading).toMatchObject({ kind: "valid", warnings: [{ field: "newer_feature" }] });
    expect(faultsOf(content, { strict: true })).toEqual(["newer_feature"]);
  });

  test("XP-009 with a list of categories, another one is invalid", () => {
    const featureCategories = new Set(["code_review"]);
    expect(faultsOf(valid, { featureCategories })).toEqual(["feature_category"]);
    expect(faultsOf({ ...valid, feature_category: "code_review" }, { featureCategories })).toEqual([]);
  });

  test("XP-012 the version follows the content, defaults filled in, in whatever order it is written", () => {
    const { version } = read();
    expect(version).toMatch(/^[0-9a-f]{12}$/);
    expect(read({ timeout_s: 30, slo: { apdex_pct: 99.95 } }).version).toBe(version);
    const reordered = parseDefinition("checkout", Object.fromEntries(Object.entries(valid).reverse()));
    expect(reordered).toMatchObject({ definition: { version } });
    for (const change of [{ timeout_s: 31 }, { description: "Other" }, { types: ["web"] }])
      expect(read(change).version).not.toBe(version);
  });

  test("XP-010 text that is no YAML, or grows without bound, is invalid and nothing worse", () => {
    for (const text of ["a: [", "a: 1\na: 2", "- list", "", "!!js/function x", bomb])
      expect(parseDefinitionFile("a.yml", text).kind).toBe("invalid");
    expect(parseDefinitionFile("a.yaml", JSON.stringify(valid)).kind).toBe("valid");
  });
});

const bomb = [
  "a: &a [x,x,x,x,x,x,x,x,x,x]",
  ...["b", "c", "d", "e", "f", "g"].map((name, index) => {
    const before = "abcdef".charAt(index);
    return `${name}: &${name} [*${before},*${before},*${before},*${before},*${before},*${before},*${before},*${before},*${before}]`;
  }),
].join("\n");

describe("a folder of definitions", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "definitions-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, content: object | string = valid): void =>
    writeFileSync(join(directory, name), typeof content === "string" ? content : JSON.stringify(content));

  test("XP-001 reads *.yml and *.yaml directly in it, by their base names", async () => {
    write("one.yml");
    write("two.yaml");
    write("schema.json");
    write(".hidden.yml");
    write("notes.txt");
    mkdirSync(join(directory, "folder.yml"));
    const { files } = await readDefinitionFolder(directory);
    expect(files.map(({ id, reading }) => [id, reading.kind])).toEqual([
      ["one", "valid"],
      ["two", "valid"],
    ]);
  });

  test("XP-001 XP-010 bad names, reserved ids, twins and bad content are invalid alone", async () => {
    write("Upper.yml");
    write(`${"x".repeat(65)}.yml`);
    write("signalbox_canary.yml");
    write("signalbox_own.yml");
    write("twin.yml");
    write("twin.yaml");
    write("broken.yml", "a: [");
    symlinkSync(join(directory, "nowhere"), join(directory, "dangling.yml"));
    write("good.yml");
    const { files } = await readDefinitionFolder(directory);
    expect(files.filter(({ reading }) => reading.kind === "valid").map(({ id }) => id)).toEqual(["good"]);
    expect(files).toHaveLength(9);
    for (const { reading } of files) if (reading.kind === "invalid") expect(reading.errors[0]?.message).not.toBe("");
  });

  test("XP-010 a pipe, a device and a file without end are invalid alone, and nobody waits for them", async () => {
    write("checkout.yml", valid);
    execFileSync("mkfifo", [join(directory, "pipe.yml")]);
    symlinkSync("/dev/zero", join(directory, "device.yml"));
    symlinkSync("checkout.yml", join(directory, "linked.yml"));
    write("huge.yml", `# ${"x".repeat(300_000)}`);
    const { files } = await readDefinitionFolder(directory);
    expect(files.map(({ id, reading }) => [id, reading.kind])).toEqual([
      ["checkout", "valid"],
      ["device", "invalid"],
      ["huge", "invalid"],
      ["linked", "valid"],
      ["pipe", "invalid"],
    ]);
  });

  test("XP-011 a file whose text is as before is not parsed again; another text is, and one that is gone is forgotten", async () => {
    write("same.yml");
    write("other.yml");
    write("gone.yml");
    const known: KnownFiles = new Map();
    const readings = async () =>
      new Map((await readDefinitionFolder(directory, {}, known)).files.map(({ id, reading }) => [id, reading]));
    const before = await readings();
    write("other.yml", { ...valid, description: "Another" });
    rmSync(join(directory, "gone.yml"));
    const after = await readings();
    expect(after.get("same")).toBe(before.get("same"));
    expect(after.get("other")).toMatchObject({ definition: { description: "Another" } });
    expect([...known.keys()].sort()).toEqual(["other.yml", "same.yml"]);
  });

  test("XP-010 a folder that is missing gives no files", async () => {
    expect(await readDefinitionFolder(join(directory, "nowhere"))).toEqual({ found: false, files: [] });
  });
});

test("XP-010 a key that stands twice, and aliases without number, are faults of their file", () => {
  const read = (text: string) => parseDefinitionFile("checkout.yml", text);
  const content = "description: Checkout\nfeature_category: billing\nurgency: sync_fast\n";
  const aliases = (count: number): string => `x: &x 1\ny: [${Array.from({ length: count }, () => "*x").join()}]\n`;
  expect(read(`${content}slo:\n  apdex_pct: 99\n  apdex_pct: 98\n`)).toMatchObject({
    errors: [{ message: "Map keys must be unique at line 6" }],
  });
  expect(read(content + aliases(50)).kind).toBe("valid");
  expect(read(content + aliases(101))).toMatchObject({ errors: [{ message: "More than 100 aliases" }] });
});

test("XP-001 the built-in definitions are in every registry, and nothing replaces them", () => {
  const registry = createRegistry([read(), { ...read(), id: "signalbox_canary" }]);
  expect(registry.definitions.map(({ id }) => id)).toEqual([
    "checkout",
    "signalbox_canary",
    "signalbox_relay_historic_sync",
  ]);
  expect(registry.get("signalbox_canary")).toBe(builtInDefinitions[0]);
  expect(registry.get("signalbox_relay_historic_sync")).toMatchObject({ urgency: "async_slow", timeoutMs: 7_200_000 });
  expect(registry.get("nothing")).toBeUndefined();
});
