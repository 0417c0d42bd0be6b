import { type Database, migrate } from "@signalbox/database";
import { createJetStreamTransport, jetStreamMigrations } from "@signalbox/event-store-jetstream";
import { startNats } from "@signalbox/testing/servers";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { createJobStore, jobFinished, jobPayload, secondsOf } from "./load/job-events.js";
import { withSqlite } from "./load/temporary-sqlite.js";

const rows = scaled(100_000);
const rounds = 3;
const rowsInTransaction = 100;
const transactionsAtOnce = 20;

interface Round {
  readonly insertedPerSecond: number;
  readonly forwardedPerSecond: number;
}

/** The rows are committed while the server is down; then it comes back and everything is forwarded. */
async function runRound(): Promise<Round> {
  const server = await startNats();
  const round = await withSqlite(async (database) => {
    await migrate(database, [jetStreamMigrations]);
    const transport = createJetStreamTransport({ servers: server.url, database, maxBytes: 1_073_741_824 });
    const { store } = createJobStore({ transport, database, handling: "batch" });
    await transport.open();
    await server.kill();
    const insertSeconds = await secondsOf(() => insertRows(database, store));
    const pending = async (): Promise<number> => {
      const answer = await database.run("select count(*) as count from event_outbox where state < 2");
      return Number(answer.rows[0]?.["count"]);
    };
    await server.restart();
    let before = await pending();
    // The forwarder rests between its attempts while the server is away; time counts from its first success.
    while (before === (await pending())) await new Promise((resolve) => setTimeout(resolve, 5));
    before = await pending();
    const forwardSeconds = await secondsOf(async () => {
      while ((await pending()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    });
    await store.stop();
    return { insertedPerSecond: rows / insertSeconds, forwardedPerSecond: before / forwardSeconds };
  });
  await server.stop();
  return round;
}

async function insertRows(database: Database, store: ReturnType<typeof createJobStore>["store"]): Promise<void> {
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < rows) {
      const first = next;
      next += rowsInTransaction;
      await database.commitTogether(async (transaction) => {
        for (let index = first; index < Math.min(rows, first + rowsInTransaction); index++)
          await store.publish(jobFinished.create(jobPayload(index)), { transaction });
      });
    }
  };
  await Promise.all(Array.from({ length: transactionsAtOnce }, writer));
}

/** From committed rows of the outbox to deliveries in JetStream, against writing the rows. */
export const eventStoreOutbox: Benchmark = {
  name: "event-store-outbox",
  proves: ["ES-908"],
  async run(report) {
    const results: Round[] = [];
    for (let round = 0; round < rounds; round++) results.push(await runRound());
    const middle = (pick: (result: Round) => number): number => percentile(results.map(pick), 0.5);
    report({
      workload: `${rows} committed rows of 512 bytes forwarded from SQLite to a file stream`,
      measured: { value: middle(({ forwardedPerSecond }) => forwardedPerSecond), unit: "rows/s" },
      peer: {
        name: `publishing in transactions of ${rowsInTransaction} alone`,
        value: middle(({ insertedPerSecond }) => insertedPerSecond),
      },
      targetRatio: 0.3,
      target: 5_000,
    });
  },
};
