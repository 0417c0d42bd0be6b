import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openDatabase, type SqlValue } from "@signalbox/database";
import { createSqlTransport } from "@signalbox/event-store";
import { silentLogger } from "@signalbox/kernel";
import { startRedis } from "@signalbox/testing/servers";
import { type Benchmark, percentile, scaled } from "./harness.js";
import {
  bothPhases,
  createJobStore,
  jobFinished,
  jobPayload,
  publishers,
  publishThenHandle,
  type Throughput,
} from "./load/job-events.js";
import { withSqlite } from "./load/temporary-sqlite.js";
import { type BullmqOptions, type PeerResult, runBullmq } from "./peers/bullmq.js";

const events = scaled(100_000);

interface Round {
  readonly ours: Throughput;
  readonly bare: { readonly alike: number; readonly least: number };
  readonly bullmq: { readonly single: PeerResult; readonly bulk: PeerResult };
}

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
    const rounds: Round[] = [];
    // In turn, so that a busy moment of the machine meets everybody.
    for (let round = 0; round < 3; round++)
      rounds.push({
        ours: await runSignalbox(),
        bare: { alike: await runBare(alike), least: await runBare(least) },
        bullmq: await runPeers(),
      });
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
      peer: {
        name: "bare SQLite, the same rows: insert, claim in order and delete in batches of 256",
        value: middle(({ bare }) => bare.alike),
      },
      targetRatio: 0.4,
      notes: { bare_payloads_without_id_and_order: Math.round(middle(({ bare }) => bare.least)) },
    });
  },
};

const together = 256;

/** Inserts rows, then claims and deletes all of them; how many went through both in a second. */
interface BareQueue {
  readonly tables: readonly string[];
  readonly insert: string;
  row(index: number): SqlValue[];
  readonly claim: string;
  claimValues(): SqlValue[];
}

/**
 * What the engine and the disk allow for rows like ours without an event store: the same bytes, found again by an id and
 * handed out in order of their due time, durable before anybody is told.
 */
const alike: BareQueue = {
  tables: [
    "create table queue (seq integer primary key, id text not null unique, body text not null, due_at_ms integer not null, leased_until integer)",
    "create index queue_due on queue (due_at_ms, seq) where leased_until is null",
  ],
  insert: "insert into queue (id, body, due_at_ms) values (?, ?, ?)",
  row: (index) => {
    const nowMs = Date.now();
    const id = `01K${String(index).padStart(23, "0")}`;
    return [`${id}.stats.count_jobs/ci.job_finished`, envelope(id, new Date(nowMs).toISOString(), index), nowMs];
  },
  claim: `update queue set leased_until = ? where seq in (
    select seq from queue where leased_until is null and due_at_ms <= ? order by due_at_ms, seq limit ${together})
    returning seq, body`,
  claimValues: () => [Date.now() + 10_000, Date.now()],
};

/** The least that could be called a queue: payloads under numbers, in no order, that cannot be found by an id. */
const least: BareQueue = {
  tables: ["create table queue (seq integer primary key, body text not null, leased_until integer not null)"],
  insert: "insert into queue (seq, body, leased_until) values (?, ?, 0)",
  row: (index) => [index, JSON.stringify(jobPayload(index))],
  claim: `update queue set leased_until = ? where seq in (
    select seq from queue where leased_until = 0 limit ${together}) returning seq, body`,
  claimValues: () => [Date.now() + 10_000],
};

function envelope(id: string, time: string, index: number): string {
  return JSON.stringify({
    specversion: "1.0",
    type: `dev.signalbox.${jobFinished.type}`,
    datacontenttype: "application/json",
    dataschema: `urn:signalbox:schema:${jobFinished.type}:v1`,
    source: "urn:signalbox:bench",
    id,
    subject: id,
    time,
    correlationid: id,
    data: jobPayload(index),
  });
}

/** As many rows share a commit as where events are published, and a batch is deleted in the commit that claims the next. */
async function runBare(queue: BareQueue): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const database = await openDatabase({ path: join(directory, "bare.sqlite"), logger: silentLogger });
  for (const table of queue.tables) await database.run(table);
  const startMs = performance.now();
  for (let first = 0; first < events; first += publishers) await insertBare(database, queue, first);
  let done: SqlValue[][] = [];
  for (let taken = 0; taken < events || done.length > 0; ) {
    const [, claimed] = await database.batch([
      { sql: "delete from queue where seq = ?", rows: done },
      { sql: queue.claim, rows: [queue.claimValues()] },
    ]);
    const rows = claimed?.rows ?? [];
    for (const row of rows) JSON.parse(String(row["body"]));
    done = rows.map((row) => [Number(row["seq"])]);
    taken += rows.length;
  }
  const seconds = (performance.now() - startMs) / 1000;
  await database.close();
  await rm(directory, { recursive: true });
  return events / seconds;
}

async function insertBare(database: Database, queue: BareQueue, first: number): Promise<void> {
  const end = Math.min(events, first + publishers);
  const inserts: Promise<void>[] = [];
  for (let from = first; from < end; from += together) {
    const count = Math.min(together, end - from);
    const rows = Array.from({ length: count }, (_, offset) => queue.row(from + offset));
    inserts.push(database.runMany(queue.insert, rows));
  }
  await Promise.all(inserts);
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
