import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import type { ExperienceStore } from "@signalbox/experience";
import { createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import { requireServers, startPostgres, startRedis } from "@signalbox/testing/servers";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createHeartbeat } from "./heartbeat.js";
import { experienceMigrations } from "./migrations.js";
import { createRedisStore } from "./store/redis-store.js";
import { createSqlStore } from "./store/sql-store.js";
import { recordingLogger } from "./testing/start-tracker.js";

/** A process that says that it is there, on a clock that moves when told to. */
async function watchOf(store: ExperienceStore, clock: VirtualClock) {
  const { logger, lines } = recordingLogger();
  const watch = createHeartbeat({ store, replica: "a", inlineMetrics: true, clock, logger });
  await watch.service.start();
  onTestFinished(() => watch.service.stop({}));
  /** Lets time go by, since rounds and repetitions wait on the clock, until the check holds. */
  const eventually = (check: () => void | Promise<void>): Promise<void> =>
    vi.waitFor(
      async () => {
        await clock.advanceBy(500);
        await check();
      },
      { timeout: 60_000, interval: 20 },
    );
  const said = (message: string): void => expect(lines.map((line) => line.message)).toContain(message);
  return { watch, lines, eventually, said };
}

type Watched = Awaited<ReturnType<typeof watchOf>>;

async function expectStoreDown({ watch, lines, eventually }: Watched): Promise<void> {
  await eventually(() => expect(watch.gaps).toMatchObject([{ reason: "store_down", replica: "a" }]));
  expect(lines.find(({ message }) => message === "experience.gap_recorded")?.fields).toMatchObject({
    reason: "store_down",
  });
  expect(lines.map(({ message }) => message)).toContain("experience.store_up");
}

async function migrated(database: Database): Promise<Database> {
  onTestFinished(() => database.close());
  await migrate(database, [experienceMigrations]);
  return database;
}

test("XP-735 a SQLite file that another process holds for 20 s: the store was away, not the tracker", async () => {
  const directory = mkdtempSync(join(tmpdir(), "heartbeat-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "db");
  const database = await migrated(await openDatabase({ path }));
  const clock = createVirtualClock();
  const watched = await watchOf(createSqlStore({ database, clock }), clock);

  const other = await migrated(await openDatabase({ path }));
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const holding = other.transaction(() => released, { timeoutMs: 0 });
  // A beat waits for the file; nothing has failed when the time is over that nobody may be silent.
  await watched.eventually(() => watched.said("experience.store_down"));
  await expect(watched.watch.check()).rejects.toMatchObject({ code: "state_store_unavailable" });
  await clock.advanceBy(5_000);
  release();
  await holding;
  await expectStoreDown(watched);
  await watched.watch.check();
});

const redis = requireServers(["redis-server"]);
describe.skipIf(redis.skip)(redis.title("Redis"), () => {
  test("XP-735 a Redis that is away for 20 s is a gap of the store", async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const clock = createVirtualClock();
    const store = createRedisStore({ url: server.url, prefix: "away", ack: "memory", clock, serverClock: false });
    await store.open();
    onTestFinished(() => store.close());
    const watched = await watchOf(store, clock);
    await server.kill("SIGTERM");
    await watched.eventually(() => watched.said("experience.store_down"));
    await clock.advanceBy(20_000);
    await server.restart();
    await expectStoreDown(watched);
  });
});

const postgres = requireServers(["postgres"]);
describe.skipIf(postgres.skip)(postgres.title("PostgreSQL"), () => {
  test("XP-735 a PostgreSQL that is away for 20 s is a gap of the store", async () => {
    const server = await startPostgres();
    onTestFinished(() => server.stop());
    const database = await migrated(await openDatabase({ url: server.url }));
    const clock = createVirtualClock();
    const watched = await watchOf(createSqlStore({ database, clock, serverClock: false }), clock);
    await server.kill("SIGQUIT");
    await watched.eventually(() => watched.said("experience.store_down"));
    await clock.advanceBy(20_000);
    await server.restart();
    await expectStoreDown(watched);
  });
});
