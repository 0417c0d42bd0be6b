import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Ended {
  readonly exitCode: number | string | null | undefined;
  readonly output: string;
}

const built = "benchmarks/dist/stress/transports.js";

/** What `npm run stress:transports` runs, built and smaller. */
function stress(names: readonly string[], runs: number, seed = 7): Promise<Ended> {
  const { VITEST: _, NODE_OPTIONS: __, ...env } = process.env;
  const settings = {
    SIGNALBOX_STRESS_RUNS: String(runs),
    SIGNALBOX_STRESS_PARALLEL: "2",
    SIGNALBOX_STRESS_SEED: String(seed),
  };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [built, ...names],
      { cwd: root, env: { ...env, ...settings } },
      (error, stdout, stderr) => resolve({ exitCode: error ? error.code : 0, output: stdout + stderr }),
    );
  });
}

test("ES-228 the stress run repeats contract and torture with a seed for each run, and says where it began", async () => {
  const { exitCode, output } = await stress(["memory"], 2);
  const [line = "{}"] = output.split("\n").filter((text) => text.startsWith("{"));
  expect(JSON.parse(line)).toMatchObject({ transport: "memory", runs: 2, failed: 0, firstSeed: 7 });
  expect(exitCode).toBe(0);
});

test("ES-228 the seed of a run that fails is printed, and the run fails again with it", async () => {
  const broken = "./benchmarks/dist/stress/broken-engine.js";
  const reports = ({ output }: Ended) =>
    output.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Record<string, unknown>] : []));
  // Of these two, one fails.
  const first = await stress([broken], 2, 7);
  expect(first.exitCode).toBe(1);
  const failed = expect.objectContaining({
    transport: broken,
    failed_with_seed: 8,
    repeat: `SIGNALBOX_STRESS_SEED=8 SIGNALBOX_STRESS_RUNS=1 npm run stress:transports -- ${broken}`,
    output: expect.stringContaining("ES-208 remove deletes what waits"),
  });
  expect(reports(first)).toEqual([failed, expect.objectContaining({ runs: 2, failed: 1, firstSeed: 7 })]);
  const again = await stress([broken], 1, 8);
  expect(again.exitCode).toBe(1);
  expect(reports(again)).toEqual([failed, expect.objectContaining({ runs: 1, failed: 1, firstSeed: 8 })]);
});

test("ES-228 a transport that there is not is refused by name", async () => {
  const { exitCode, output } = await stress(["kafka"], 1);
  expect(output).toContain("Unknown transport: kafka. There are: memory, sqlite, postgres, bullmq, jetstream");
  expect(exitCode).toBe(2);
});
