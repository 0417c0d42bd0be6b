import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "@signalbox/database";
import { createSqlTransport } from "@signalbox/event-store";
import { silentLogger } from "@signalbox/kernel";
import { startRedis } from "@signalbox/testing/servers";
import { type Benchmark, percentile, scaled } from "./harness.js";
import {
  bothPhases,
  createJobStore,
  jobPayload,
  publishers,
  publishThenHandle,
  type Throughput,
} from "./load/job-events.js";
import { withSqlite } from "./load/temporary-sqlite.js";
import { type BullmqOptions, type PeerResult, runBullmq } from "./peers/bullmq.js";

const events = scaled(100_000);

function runSignalbox(): Promise<Throughput> {
  return withSqlite((database) => {
    const transport = createSqlTransport({ database });
    return publishThenHandle(createJobStore({ transport, database, handling: "batch" }), events);
  });
}

/** Durable publish to handled on SQLite (synchronous=FULL) against BullMQ on a Redis that also syncs every write. */
export const eventStoreSqlite: Benchmark = {
  name: "event-store-sqlite",
  proves: ["ES-903"],
  async run(report) {
    const rounds: { ours: Throughput; bare: number; bullmq: { single: PeerResult; bulk: PeerResult } }[] = [];
    // In turn, so that a busy moment of the machine meets everybody.
    for (let round = 0; round < 3; round++)
      rounds.push({ ours: await runSignalbox(), bare: await runBare(), bullmq: await runPeers() });
    const middle = (pick: (round: (typeof rounds)[number]) => number): number => percentile(rounds.map(pick), 0.5);
    const published = middle(({ ours }) => ours.publishedPerSecond);
    const handled = middle(({ ours }) => ours.handledPerSecond);
    const both = middle(({ ours }) => bothPhases(ours.publishedPerSecond, ours.handledPerSecond));
    const bothBullmq = (kind: "single" | "bulk") =>
      middle(({ bullmq }) => bothPhases(bullmq[kind].addedPerSecond, bullmq[kind].handledPerSecond));
    const workload = `${events} events of 512 bytes, one true condition, one subscriber, synchronous=FULL`;
    report({
      workload: `${workload}: published by ${publishers} publishers at once`,
      measured: { value: published, unit: "events/s" },
      peer: {
        name: `BullMQ, ${publishers} add calls at once`,
        value: middle(({ bullmq }) => bullmq.single.addedPerSecond),
      },
      target: 30_000,
      notes: { bullmq_addBulk_of_256: Math.round(middle(({ bullmq }) => bullmq.bulk.addedPerSecond)) },
    });
    report({
      workload: `${workload}: handled in batches`,
      measured: { value: handled, unit: "events/s" },
      peer: {
        name: "BullMQ, worker with concurrency 256",
        value: middle(({ bullmq }) => bullmq.single.handledPerSecond),
      },
      target: 25_000,
    });
    report({
      workload: `${workload}: published, then handled`,
      measured: { value: both, unit: "events/s" },
      peer: {
        name: "BullMQ on Redis 7, appendfsync always",
        value: bothBullmq("single"),
      },
      targetRatio: 2,
      notes: {
        bullmq_with_addBulk: Math.round(bothBullmq("bulk")),
      },
    });
    report({
      workload: `${workload}: published, then handled`,
      measured: { value: both, unit: "events/s" },
      peer: { name: "bare SQLite: insert, claim and delete in batches of 256", value: middle(({ bare }) => bare) },
      targetRatio: 0.4,
    });
  },
};

/** The same rows without an event store: what the disk and the engine allow. */
async function runBare(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const database = await openDatabase({ path: join(directory, "bare.sqlite"), logger: silentLogger });
  await database.run("create table queue (id integer primary key, body text not null, leased_until integer not null)");
  const startMs = performance.now();
  for (let first = 0; first < events; first += 256) {
    const rows = Array.from({ length: Math.min(256, events - first) }, (_, offset) => [
      first + offset,
      JSON.stringify(jobPayload(first + offset)),
      0,
    ]);
    await database.runMany("insert into queue (id, body, leased_until) values (?, ?, ?)", rows);
  }
  for (let taken = 0; taken < events; ) {
    const { rows } = await database.run<{ id: number; body: string }>(
      "update queue set leased_until = ? where id in (select id from queue where leased_until = 0 limit 256) returning id, body",
      [Date.now() + 10_000],
    );
    for (const row of rows) JSON.parse(row.body);
    await database.runMany(
      "delete from queue where id = ?",
      rows.map((row) => [row.id]),
    );
    taken += rows.length;
  }
  const seconds = (performance.now() - startMs) / 1000;
  await database.close();
  await rm(directory, { recursive: true });
  return events / seconds;
}

async function runPeers(): Promise<{ single: PeerResult; bulk: PeerResult }> {
  const run = async (adding: BullmqOptions["adding"]): Promise<PeerResult> => {
    const redis = await startRedis();
    const result = await runBullmq({
      redisUrl: redis.url,
      jobs: events,
      payload: jobPayload(0),
      adding,
      concurrency: 256,
    });
    await redis.stop();
    return result;
  };
  return { single: await run({ concurrently: publishers }), bulk: await run({ bulk: 256 }) };
}
