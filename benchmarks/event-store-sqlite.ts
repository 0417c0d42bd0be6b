import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import {
  createEventStore,
  createSqlTransport,
  defineEvent,
  defineSubscriber,
  eventStoreMigrations,
} from "@signalbox/event-store";
import { silentLogger, systemClock } from "@signalbox/kernel";
import { startRedis } from "@signalbox/testing/servers";
import { type Benchmark, percentile } from "./harness.js";
import { type BullmqOptions, type PeerResult, runBullmq } from "./peers/bullmq.js";

const events = 100_000;
/** Publishes that wait at the same time, as that many requests of a busy server would. */
const publishers = 2_000;

const jobFinished = defineEvent("ci.job_finished", {
  schema: {
    type: "object",
    properties: {
      job_id: { type: "integer" },
      project_id: { type: "integer" },
      pipeline_id: { type: "integer" },
      status: { type: "string", enum: ["success", "failed"] },
      ref: { type: "string" },
      runner: { type: "string" },
      duration_s: { type: "number" },
      log_tail: { type: "string" },
    },
    required: ["job_id", "project_id", "pipeline_id", "status"],
  },
});

/** 512 bytes as JSON. */
function payload(index: number) {
  const data = {
    job_id: 1_000_000 + index,
    project_id: 278_964,
    pipeline_id: 9_000_000 + (index % 10_000),
    status: index % 5 === 0 ? ("failed" as const) : ("success" as const),
    ref: "refs/heads/main",
    runner: "runner-17.example",
    duration_s: 12.25,
    log_tail: "",
  };
  return { ...data, log_tail: "x".repeat(512 - JSON.stringify(data).length) };
}

interface Throughput {
  readonly publishedPerSecond: number;
  readonly handledPerSecond: number;
}

async function runSignalbox(): Promise<Throughput> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const database = await openDatabase({
    path: join(directory, "bench.sqlite"),
    logger: silentLogger,
    clock: systemClock,
  });
  await migrate(database, [eventStoreMigrations], { logger: silentLogger });

  let handled = 0;
  let allHandled = (): void => {};
  const whenHandled = new Promise<void>((resolve) => {
    allHandled = resolve;
  });
  const countJobs = defineSubscriber("stats.count_jobs", {
    async handleBatch(batch: readonly unknown[]) {
      handled += batch.length;
      if (handled === events) allHandled();
    },
  });
  const store = createEventStore({
    source: "urn:signalbox:bench",
    transport: createSqlTransport({ database, clock: systemClock, logger: silentLogger }),
    database,
    configure: (registry) => {
      registry.register(jobFinished);
      registry.subscribe(countJobs, { to: jobFinished, if: (event) => event.data.project_id > 0 });
    },
  });

  const publishStartMs = performance.now();
  let next = 0;
  const publisher = async (): Promise<void> => {
    for (let index = next++; index < events; index = next++) await store.publish(jobFinished.create(payload(index)));
  };
  await Promise.all(Array.from({ length: publishers }, publisher));
  const publishSeconds = (performance.now() - publishStartMs) / 1000;

  const handleStartMs = performance.now();
  await store.start();
  await whenHandled;
  const handleSeconds = (performance.now() - handleStartMs) / 1000;

  await store.stop();
  await database.close();
  await rm(directory, { recursive: true });
  return {
    publishedPerSecond: events / publishSeconds,
    handledPerSecond: events / handleSeconds,
  };
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
    const both = middle(({ ours }) => total(ours.publishedPerSecond, ours.handledPerSecond));
    const bothBullmq = (kind: "single" | "bulk") =>
      middle(({ bullmq }) => total(bullmq[kind].addedPerSecond, bullmq[kind].handledPerSecond));
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

/** Events per second of two phases, one after the other. */
function total(firstPerSecond: number, secondPerSecond: number): number {
  return 1 / (1 / firstPerSecond + 1 / secondPerSecond);
}

/** The same rows without an event store: what the disk and the engine allow. */
async function runBare(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const database = await openDatabase({ path: join(directory, "bare.sqlite"), logger: silentLogger });
  await database.run("create table queue (id integer primary key, body text not null, leased_until integer not null)");
  const startMs = performance.now();
  for (let first = 0; first < events; first += 256) {
    const rows = Array.from({ length: Math.min(256, events - first) }, (_, offset) => [
      first + offset,
      JSON.stringify(payload(first + offset)),
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
      payload: payload(0),
      adding,
      concurrency: 256,
    });
    await redis.stop();
    return result;
  };
  return { single: await run({ concurrently: publishers }), bulk: await run({ bulk: 256 }) };
}
