import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Analytics, AnalyticsError } from "@signalbox/analytics";
import { createFileBlobs } from "@signalbox/blobs";
import { migrate, openDatabase } from "@signalbox/database";
import { createEventStore, createSqlTransport } from "@signalbox/event-store";
import { createStreamHub } from "@signalbox/http";
import { createVirtualClock, noMetrics, silentLogger } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { readServerConfig } from "../config.js";
import { createHealth } from "../health.js";
import { databaseMigrations } from "../migrations.js";
import type { Role } from "../roles.js";
import { createShutdown } from "../shutdown.js";
import { errorTracking } from "./error-tracking.js";

/** Upkeep looks for due work each minute. */
const aWhileMs = 120_000;
/** Turns of the event loop, each with a statement: more than upkeep needs to take what is due. */
const manyTurns = 300;
const refuse = (): Promise<never> => Promise.reject(new AnalyticsError("ANALYTICS_CLOSED"));
/** A process without the engine. */
const noAnalytics: Analytics = {
  engine: "clickhouse",
  command: refuse,
  insert: refuse,
  query: refuse,
  ping: refuse,
  close: async () => {},
};

/** What a process with these roles has taken for itself to do after a while; other processes leave that to it. */
async function workTaken(roles: readonly Role[]): Promise<readonly string[]> {
  const directory = mkdtempSync(join(tmpdir(), "upkeep-"));
  const clock = createVirtualClock();
  const database = await openDatabase({ path: join(directory, "signalbox.db"), clock });
  await migrate(database, databaseMigrations);
  const blobs = await createFileBlobs({ directory: join(directory, "blobs"), clock });
  const transport = createSqlTransport({ database, clock });
  const shutdown = createShutdown(clock, 1_000);
  const system = await errorTracking.create({
    config: readServerConfig({ env: {}, file: undefined, flags: {} }).values,
    roles: new Set(roles),
    logger: silentLogger,
    metrics: noMetrics,
    clock,
    signal: shutdown.signal,
    shutdown,
    health: createHealth(),
    stores: { database, transport, blobs, analytics: noAnalytics },
    streams: createStreamHub({ clock, metrics: noMetrics }),
    serverUrl: () => "http://127.0.0.1:8787",
    ownUrl: () => "http://127.0.0.1:8787",
    isDiskFull: () => false,
    isDiskLow: () => false,
  });
  const eventStore = createEventStore({ transport, database, source: "/test", configure: system.configure ?? [] });
  system.attach?.(eventStore);
  const taken = async (): Promise<readonly string[]> => {
    const { rows } = await database.run<{ name: string }>("select name from error_upkeep order by name");
    return rows.map(({ name }) => name);
  };
  try {
    await system.service?.start();
    await clock.advanceBy(aWhileMs);
    let found = await taken();
    for (let turn = 0; turn < manyTurns && !found.includes("retention"); turn++) found = await taken();
    return found;
  } finally {
    await system.service?.stop();
    await eventStore.stop();
    await database.close();
    await blobs.close();
    rmSync(directory, { recursive: true });
  }
}

test.each<[Role[]]>([[["relay"]], [["ingest", "relay"]], [["tracker"]], [["dashboard"]]])(
  "PF-008 a process with the roles %s leaves the upkeep of errors to workers",
  async (roles) => {
    expect(await workTaken(roles)).toEqual([]);
  },
);

test("PF-008 a worker does the upkeep of errors, whatever else it does", async () => {
  expect(await workTaken(["relay", "worker"])).toContain("retention");
});
