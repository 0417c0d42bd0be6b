import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import {
  createEventStore,
  createSqlTransport,
  type DomainEvent,
  defineSubscriber,
  eventStoreMigrations,
} from "@signalbox/event-store";
import type { ExperienceStore } from "@signalbox/experience";
import { checkpointOf, definitionOf } from "@signalbox/experience/testing";
import { systemClock, ulid } from "@signalbox/kernel";
import { requireServers, startPostgres } from "@signalbox/testing/servers";
import { describe, expect, onTestFinished, test } from "vitest";
import type { CheckpointData, VerdictData } from "./event-data.js";
import { checkpointRecorded, verdictEvents } from "./events.js";
import { experienceMigrations } from "./migrations.js";
import { publishRecords } from "./publish-records.js";
import { createPublisher } from "./publisher.js";
import { createSqlStore } from "./store/sql-store.js";
import { configureExperiences } from "./subscriptions.js";
import { recordingLogger } from "./testing/start-tracker.js";

const needed = requireServers(["postgres"]);
const definition = definitionOf("checkout");

type Published = DomainEvent<CheckpointData | VerdictData>;

/** A store and an event store on one database, and what a subscriber gets. */
async function open(url: string | undefined, inTransaction: boolean) {
  const directory = mkdtempSync(join(tmpdir(), "publish-"));
  const database = await openDatabase({ url, path: join(directory, "db") });
  await migrate(database, [eventStoreMigrations, experienceMigrations]);
  const received: Published[] = [];
  const collector = defineSubscriber<CheckpointData | VerdictData>("experience.collect", {
    urgency: "high",
    batch: { maxSize: 500, maxWaitMs: 20 },
    async handleBatch(events) {
      received.push(...events);
    },
  });
  const eventStore = createEventStore({
    database,
    transport: createSqlTransport({ database, clock: systemClock }),
    source: "test",
    configure: [
      configureExperiences([]),
      // In the order of the events' own key, which is the correlation id.
      (registry) => registry.subscribe(collector, { to: [checkpointRecorded, ...Object.values(verdictEvents)] }),
    ],
  });
  let failing = false;
  const store = createSqlStore({
    database,
    ...(inTransaction
      ? {
          publish: (records, transaction) => {
            if (failing) throw Object.assign(new Error("full"), { code: "EVT_TRANSPORT_FULL" });
            return publishRecords(eventStore, records, transaction);
          },
        }
      : {}),
  });
  await eventStore.start();
  const { logger } = recordingLogger();
  const publisher = createPublisher({ store, eventStore: () => eventStore, clock: systemClock, logger });
  await publisher.service.start();
  onTestFinished(async () => {
    await publisher.service.stop();
    await eventStore.stop();
    await store.close();
    await database.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const fail = (value: boolean): void => {
    failing = value;
  };
  return { store, received, publisher, fail };
}

async function play(store: ExperienceStore, id: string, outcome: "success" | "error" | "discarded") {
  const at = () => new Date().toISOString();
  const send = (checkpoint: "start" | "intermediate" | "end", more: object = {}) =>
    store.apply([checkpointOf(definition, { correlation_id: id, checkpoint, client_timestamp: at(), ...more })]);
  await send("start");
  await send("intermediate");
  await send("end", { outcome });
  await send("end", { outcome });
}

describe.skipIf(needed.skip)(needed.title("events"), () => {
  for (const engine of ["SQLite", "PostgreSQL"] as const) {
    for (const inTransaction of [true, false]) {
      const how = inTransaction ? "as part of the step" : "through the outbox";
      test(`XP-385 XP-434 XP-513 every record becomes an event once, in the order of its run: ${engine}, ${how}`, async () => {
        const server = engine === "PostgreSQL" ? await startPostgres() : undefined;
        if (server) onTestFinished(async () => void (await server.stop()));
        const { store, received, publisher } = await open(await server?.createDatabase(), inTransaction);
        const outcomes = ["success", "error", "discarded"] as const;
        const ids = Array.from({ length: 12 }, () => ulid());
        await Promise.all(ids.map((id, index) => play(store, id, outcomes[index % 3] ?? "success")));
        publisher.wake();
        expect((await store.health()).outboxRecords > 0 && inTransaction).toBe(false);
        await expect.poll(() => received.length).toBe(60);
        expect(new Set(received.map((event) => event.id)).size).toBe(60);
        for (const [index, id] of ids.entries()) {
          const mine = received.filter(({ correlationId }) => correlationId === id);
          const verdict = ["completed", "failed", "discarded"][index % 3];
          expect(mine.map(({ type }) => type.split(".")[1])).toEqual([
            "checkpoint_recorded",
            "checkpoint_recorded",
            "checkpoint_recorded",
            verdict,
            "checkpoint_recorded",
          ]);
          expect(mine[0]).toMatchObject({ subject: `checkout/${id}/1` });
          expect(mine.at(-1)?.data).toMatchObject({ applied: false });
        }
      });
    }
  }

  test("XP-371 a step whose events cannot be published is not taken at all", async () => {
    const { store, fail, received } = await open(undefined, true);
    fail(true);
    const checkpoint = checkpointOf(definition, {
      correlation_id: ulid(),
      checkpoint: "start",
      client_timestamp: new Date().toISOString(),
    });
    await expect(store.apply([checkpoint])).rejects.toMatchObject({ code: "backlog_full" });
    expect(await store.get(checkpoint.identity)).toBeUndefined();
    expect((await store.counters()).size).toBe(0);
    fail(false);
    await store.apply([checkpoint]);
    await expect.poll(() => received.length).toBe(1);
  });
});
