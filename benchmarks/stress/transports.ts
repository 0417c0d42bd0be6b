import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { findServer } from "@signalbox/testing/servers";
import { commandOf } from "../load/command-of.js";
import { type Engine, engineOf, engines } from "./engines.js";

// npm run stress:transports [-- NAME…]: every transport through many runs at once, each with a seed of its own. A name with
// a slash is the path of a module that exports an `engine`, for transports that do not belong here.
// SIGNALBOX_STRESS_RUNS (20), SIGNALBOX_STRESS_PARALLEL (20) and SIGNALBOX_STRESS_SEED (the first one) change that.
const runs = Number(process.env["SIGNALBOX_STRESS_RUNS"] ?? 20);
const parallel = Number(process.env["SIGNALBOX_STRESS_PARALLEL"] ?? 20);
const firstSeed = Number(process.env["SIGNALBOX_STRESS_SEED"] ?? Date.now() % 1_000_000);
/** Runs that share a core take so many times as long. */
const pace = Math.max(1, parallel / cpus().length);
const programs: Readonly<Record<string, string>> = {
  postgres: "postgres",
  bullmq: "redis-server",
  jetstream: "nats-server",
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(engines);
let failed = 0;
for (const name of names) {
  const engine = await engineOf(name);
  const program = programs[name];
  if (!engine) {
    process.stderr.write(`Unknown transport: ${name}. There are: ${Object.keys(engines).join(", ")}\n`);
    process.exitCode = 2;
    break;
  }
  if (program && !findServer(program)) {
    process.stdout.write(`${JSON.stringify({ transport: name, skipped: `${program} is missing` })}\n`);
    continue;
  }
  failed += await stress(name, engine);
}
if (failed > 0) process.exitCode = 1;

/** Resolves with the number of runs that failed. */
async function stress(name: string, engine: Engine): Promise<number> {
  const server = await engine.start();
  const startMs = performance.now();
  const seeds = Array.from({ length: runs }, (_, index) => firstSeed + index);
  const failures: number[] = [];
  const next = async (): Promise<void> => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const output = await run(name, server.address, seed);
      if (output === undefined) continue;
      failures.push(seed);
      const repeat = `SIGNALBOX_STRESS_SEED=${seed} SIGNALBOX_STRESS_RUNS=1 npm run stress:transports -- ${name}`;
      process.stdout.write(`${JSON.stringify({ transport: name, failed_with_seed: seed, repeat, output })}\n`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, runs) }, next));
  await server.stop();
  const seconds = Math.round((performance.now() - startMs) / 1000);
  process.stdout.write(`${JSON.stringify({ transport: name, runs, failed: failures.length, firstSeed, seconds })}\n`);
  return failures.length;
}

/** What it said when it failed; undefined when all went well. */
function run(name: string, address: string, seed: number): Promise<string | undefined> {
  const child = spawn(
    process.execPath,
    [...commandOf("run", import.meta.url), name, address, String(seed), String(pace)],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let output = "";
  child.stderr?.on("data", (text: Buffer) => {
    output += text.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code === 0 ? undefined : shortened(output) || `ended with ${code}`));
  });
}

/** The message and where it comes from; errors inside errors repeat the same. */
function shortened(output: string): string {
  return output.split("[errors]")[0]?.trim().slice(0, 4_000) ?? "";
}
