import { migrate } from "@signalbox/database";
import { createJetStreamTransport, jetStreamMigrations } from "@signalbox/event-store-jetstream";
import { startNats } from "@signalbox/testing/servers";
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
import { type BareJetStreamResult, runBareJetStream } from "./peers/jetstream.js";

const events = scaled(100_000);
const rounds = 3;

async function runSignalbox(): Promise<Throughput> {
  const server = await startNats();
  const throughput = await withSqlite(async (database) => {
    await migrate(database, [jetStreamMigrations]);
    const transport = createJetStreamTransport({ servers: server.url, database, maxBytes: 1_073_741_824 });
    return publishThenHandle(createJobStore({ transport, database, handling: "batch" }), events);
  });
  await server.stop();
  return throughput;
}

async function runPeer(): Promise<BareJetStreamResult> {
  const server = await startNats();
  const result = await runBareJetStream({ url: server.url, messages: events, publishers, payload: jobPayload(0) });
  await server.stop();
  return result;
}

/** The JetStream transport against the client by itself, both on a file stream. */
export const eventStoreJetStream: Benchmark = {
  name: "event-store-jetstream",
  proves: ["ES-905"],
  async run(report) {
    const results: { ours: Throughput; bare: BareJetStreamResult }[] = [];
    // In turn, so that a busy moment of the machine meets both.
    for (let round = 0; round < rounds; round++) results.push({ ours: await runSignalbox(), bare: await runPeer() });
    const middle = (pick: (result: (typeof results)[number]) => number): number => percentile(results.map(pick), 0.5);
    const workload = `${events} events of 512 bytes, one true condition, one subscriber, file stream`;
    report({
      workload: `${workload}: published by ${publishers} publishers at once`,
      measured: { value: middle(({ ours }) => ours.publishedPerSecond), unit: "events/s" },
      peer: {
        name: `bare client, ${publishers} publishes at once`,
        value: middle(({ bare }) => bare.publishedPerSecond),
      },
      targetRatio: 0.75,
      target: 14_000,
    });
    report({
      workload: `${workload}: handled in batches`,
      measured: { value: middle(({ ours }) => ours.handledPerSecond), unit: "events/s" },
      peer: { name: "bare client, pull and acknowledge", value: middle(({ bare }) => bare.handledPerSecond) },
      targetRatio: 0.75,
      target: 25_000,
    });
    report({
      workload: `${workload}: published, then handled`,
      measured: {
        value: middle(({ ours }) => bothPhases(ours.publishedPerSecond, ours.handledPerSecond)),
        unit: "events/s",
      },
      peer: {
        name: "bare client, publish, then pull and acknowledge",
        value: middle(({ bare }) => bothPhases(bare.publishedPerSecond, bare.handledPerSecond)),
      },
      targetRatio: 0.75,
    });
  },
};
