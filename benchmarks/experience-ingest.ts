import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTokenKey, mintToken } from "@signalbox/http";
import { ulid } from "@signalbox/kernel";
import { type SignalboxServer, startRedis } from "@signalbox/testing/servers";
import { chunksOf, payloadOf } from "./experience/checkpoints.js";
import { withRedisStore, withSqliteStore } from "./experience/stores.js";
import { connections, sendBatches, sendOneByOne, withTracker } from "./experience/tracker.js";
import { applyInGroups, applyOneByOne } from "./experience/transitions.js";
import { type Benchmark, scaled } from "./harness.js";
import { commandOf } from "./load/command-of.js";
import { scrape, sumOf } from "./load/errors-server.js";
import type { HttpLoadResult } from "./load/http-load.js";

const singles = scaled(20_000);
const batched = scaled(100_000);
const batchSize = 100;
/** As many as the benchmark of the stores applies. */
const transitions = scaled(40_000);

interface Engine {
  readonly engine: string;
  readonly env: Record<string, string>;
  /** How the store is measured without anything around it. */
  readonly alone: string;
  readonly measureAlone: () => Promise<number>;
}

/** Half starts, half ends. */
function payloads(count: number): object[] {
  const ids = Array.from({ length: count / 2 }, () => ulid());
  return [...ids.map((id) => payloadOf(id, "start")), ...ids.map((id) => payloadOf(id, "end"))];
}

/** Waits until no record and no event of journeys waits any more. */
async function everythingHandled(server: SignalboxServer): Promise<void> {
  for (;;) {
    const exposition = await scrape(server);
    const waiting =
      sumOf(exposition, "signalbox_experience_outbox_records ") +
      sumOf(exposition, "signalbox_event_store_deliveries{", 'subscriber="experience.');
    if (waiting === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A route that verifies the same kind of token, validates with Ajv and writes one row in a group commit. */
async function runPeer(): Promise<HttpLoadResult> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const key = await createTokenKey(directory);
  const { token } = await mintToken(key, { subject: "bench", scopes: ["experience:write"], lifetimeMs: 3_600_000 });
  const child = spawn(process.execPath, [...commandOf("peers/bare-checkpoints", import.meta.url), directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once("data", (text: Buffer) => resolve(Number(text.toString())));
    child.once("exit", () => reject(new Error("the peer did not start")));
  });
  const target = { url: `http://127.0.0.1:${port}`, token };
  await sendOneByOne(target, payloads(scaled(2_000)));
  const result = await sendOneByOne(target, payloads(singles));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  await ended;
  await rm(directory, { recursive: true });
  return result;
}

/** Processor time that a process has used, all its threads together; tells more than a rate where others work, too. */
async function processorUs(pid: number): Promise<number> {
  const [, fields = ""] = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ");
  const [user, system] = fields.split(" ").slice(11, 13).map(Number);
  return ((user ?? 0) + (system ?? 0)) * (1_000_000 / ticksPerSecond);
}

/** As Linux has counted for decades, whatever its kernel's own interval. */
const ticksPerSecond = 100;

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** Taking checkpoints over HTTP, one by one and in batches, on both stores. */
export const experienceIngest: Benchmark = {
  name: "experience-ingest",
  proves: ["XP-900", "XP-906"],
  async run(report) {
    const peer = await runPeer();
    const redis = await startRedis();
    const engines: readonly Engine[] = [
      {
        engine: "SQLite",
        env: {},
        alone: "the store alone, in groups of 256",
        measureAlone: () => withSqliteStore((store) => applyInGroups(store, transitions)),
      },
      {
        engine: "Redis (AOF always)",
        env: { SIGNALBOX_EXPERIENCE_STORE: "redis", SIGNALBOX_REDIS_URL: redis.url },
        alone: "the store alone, 50 in flight",
        measureAlone: () => withRedisStore((store) => applyOneByOne(store, transitions, 50)),
      },
    ];
    for (const { engine, env, alone, measureAlone } of engines) {
      const aloneRate = await measureAlone();
      await withTracker(env, async (tracker) => {
        const server = await tracker.start("tracker");
        const target = tracker.targetOf(server);
        await sendOneByOne(target, payloads(scaled(2_000)));
        const beforeSingle = await processorUs(server.pid);
        const single = await sendOneByOne(target, payloads(singles));
        const singleUs = ((await processorUs(server.pid)) - beforeSingle) / singles;
        report({
          workload: `${singles} checkpoints one by one over ${connections} connections, ${engine}`,
          measured: { value: single.perSecond, unit: "checkpoints/s" },
          peer: { name: "bare Fastify: token, Ajv, one row", value: peer.perSecond },
          targetRatio: 0.6,
          target: 3_000,
          notes: { p99_ms: single.latencyMs.p99, processor_us_each: Math.round(singleUs), ...statusNotes(single) },
        });
        const beforeBatches = await processorUs(server.pid);
        const batches = await sendBatches(target, chunksOf(payloads(batched), batchSize));
        const batchedUs = ((await processorUs(server.pid)) - beforeBatches) / batched;
        report({
          workload: `${batched} checkpoints in gzipped batches of ${batchSize}, ${engine}`,
          measured: { value: batches.perSecond * batchSize, unit: "checkpoints/s" },
          peer: { name: "the same one by one", value: single.perSecond },
          targetRatio: 2.5,
          notes: { p99_ms: batches.latencyMs.p99, processor_us_each: Math.round(batchedUs), ...statusNotes(batches) },
        });
        report({
          workload: `the same batches beside the store without HTTP, events and history, ${engine}`,
          measured: { value: batches.perSecond * batchSize, unit: "checkpoints/s" },
          peer: { name: alone, value: aloneRate },
          targetRatio: 0.5,
        });
        report({
          workload: `resident memory of the tracker after that, ${engine}`,
          measured: { value: await residentMiB(server.pid), unit: "MiB" },
          target: 650,
        });
        await server.stop();
        // Taking checkpoints only writes their events. What it takes to log them and to write their history comes later
        // where there is much to take, or in other processes, and is no less work for that.
        const worker = await tracker.start("tracker,worker");
        const startMs = performance.now();
        await everythingHandled(worker);
        report({
          workload: `events of these ${scaled(2_000) + singles + batched} checkpoints logged and in history, ${engine}`,
          measured: { value: (performance.now() - startMs) / 1000, unit: "s" },
          notes: { from: "a server with workers was ready" },
        });
        await worker.stop();
      });
    }
    await redis.stop();
  },
};

function statusNotes(result: HttpLoadResult): Record<string, number> {
  return Object.fromEntries(Object.entries(result.statuses).map(([status, count]) => [`status_${status}`, count]));
}
