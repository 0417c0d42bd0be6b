import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireServers, startClickHouseHttp, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { itemReceived } from "../events/item-events.js";
import { type OpenServiceOptions, openService } from "../testing/open-service.js";
import { errorPayload, newEventId, receivedEvent } from "../testing/received-event.js";
import { forgetEndedLetters } from "../upkeep/erase-letters.js";
import { readLedger } from "./read-ledger.js";

const postgres = requireServers(["postgres"]);
let engine: Awaited<ReturnType<typeof startClickHouseHttp>>;
beforeAll(async () => {
  engine = await startClickHouseHttp();
});
afterAll(() => engine?.stop());

const hourMs = 3_600_000;

async function followLetters(database: OpenServiceOptions["database"]): Promise<void> {
  const service = await openService({
    database,
    analytics: { url: engine.url },
    environment: { SIGNALBOX_ERROR_TRACKING_DIGEST_LINGER: "10ms" },
  });
  onTestFinished(() => service.close());
  const { eventStore, errorTracking } = service;
  const { id: projectId } = await errorTracking.projects.create("Shop");
  const ledger = async () => {
    const nowMs = Date.now();
    const query = { projectId, fromMs: nowMs - hourMs, toMs: nowMs, intervalMs: hourMs, groupBy: "key" } as const;
    const { total, pending, balance } = await readLedger(service.database, eventStore, query);
    const outcomes = [...total.outcomes].flatMap(([outcome, reasons]) =>
      [...reasons]
        .filter(([, quantity]) => quantity !== 0)
        .map(([reason, quantity]) => `${outcome} ${reason} ${quantity}`),
    );
    return { received: total.received, pending: pending.events, balance, outcomes: outcomes.sort() };
  };
  // What cannot be read would never pass the edge.
  const broken = [1, 2].map(() => receivedEvent({}, { projectId, keyId: 4, eventId: newEventId(), content: "{" }));
  const good = receivedEvent(errorPayload("work"), { projectId, keyId: 4 });
  for (const event of [...broken, good]) await eventStore.publish(event);
  expect(await ledger()).toEqual({ received: 3, pending: 3, balance: 0, outcomes: [] });

  await eventStore.start();
  await expect.poll(ledger, { timeout: 30_000 }).toEqual({
    received: 3,
    pending: 0,
    balance: 0,
    outcomes: ["dead_lettered ET_JSON_INVALID 2", "stored  1"],
  });
  const { letters } = await eventStore.dead.list();
  const [first = "", second = ""] = letters.map(({ id }) => id);
  await eventStore.dead.discard([first], { reason: "known" });
  // What it carried may go; what the ledger needs of it stays.
  await forgetEndedLetters(eventStore.dead);
  expect((await eventStore.dead.get(first))?.event).not.toContain('"payload"');
  expect(await ledger()).toMatchObject({
    received: 3,
    balance: 0,
    outcomes: ["dead_lettered ET_JSON_INVALID 1", "discarded deleted_by_operator 1", "stored  1"],
  });
  // Replayed, it waits again, and dies again.
  await eventStore.dead.replay([second]);
  await expect.poll(async () => (await eventStore.dead.get(second))?.replayCount).toBe(1);
  await expect.poll(ledger, { timeout: 30_000 }).toMatchObject({
    received: 3,
    pending: 0,
    balance: 0,
    outcomes: ["dead_lettered ET_JSON_INVALID 1", "discarded deleted_by_operator 1", "stored  1"],
  });
  // Replayed when it can be read, it is stored like others.
  const mended = await service.database.run("select event from event_dead_letters where id = ?", [second]);
  const text = String(mended.rows[0]?.["event"]).replace('"content":"{"', '"content":"{}"');
  await service.database.run("update event_dead_letters set event = ? where id = ?", [text, second]);
  await eventStore.dead.replay([second]);
  await expect.poll(ledger, { timeout: 30_000 }).toEqual({
    received: 3,
    pending: 0,
    balance: 0,
    outcomes: ["discarded deleted_by_operator 1", "stored  2"],
  });
}

/** Messages of sessions and attachments are in the ledger, too, with as many items as they hold. */
async function followItems(database: OpenServiceOptions["database"]): Promise<void> {
  const service = await openService({ database, analytics: { url: engine.url } });
  onTestFinished(() => service.close());
  const { eventStore, errorTracking } = service;
  const { id: projectId } = await errorTracking.projects.create("Shop");
  const ledger = async () => {
    const nowMs = Date.now();
    const query = { projectId, fromMs: nowMs - hourMs, toMs: nowMs, intervalMs: hourMs, groupBy: "category" } as const;
    const { pending, balance, groups, total } = await readLedger(service.database, eventStore, query);
    const categories = [...groups].map(([category, { received, outcomes }]) => {
      const ends = [...outcomes].flatMap(([outcome, reasons]) =>
        [...reasons].filter(([, quantity]) => quantity !== 0).map(([, quantity]) => `${outcome} ${quantity}`),
      );
      return `${category} ${received}: ${ends}`;
    });
    return { received: total.received, pending: pending.messages, balance, categories: categories.sort() };
  };
  const message = (receivedAt: string) => {
    const items = ["a", "b"].map((release) => {
      const content = JSON.stringify({
        sid: newEventId(),
        started: new Date().toISOString(),
        status: "ok",
        attrs: { release },
      });
      const payload = { encoding: "text" as const, content, bytes: content.length };
      return { type: "session", payload };
    });
    return itemReceived.create(
      {
        project_id: projectId,
        key_id: 4,
        received_at: receivedAt,
        event_id: newEventId(),
        quantities: { session: 2, attachment: 1 },
        items,
        attachments: [{ blob: `attachments/${newEventId()}`, name: "log.txt", bytes: 3, sha256: "" }],
      },
      { id: `et:${projectId}:items:${newEventId()}` },
    );
  };
  // Which the edge would never write.
  await eventStore.publish(message("some day"));
  await eventStore.publish(message(new Date().toISOString()));
  expect(await ledger()).toEqual({ received: 2, pending: 2, balance: 0, categories: [] });

  await eventStore.start();
  await expect.poll(ledger, { timeout: 60_000 }).toEqual({
    received: 6,
    pending: 0,
    balance: 0,
    categories: ["attachment 2: stored 1,dead_lettered 1", "session 4: stored 2,dead_lettered 2"],
  });
  const { letters } = await eventStore.dead.list();
  expect(letters).toHaveLength(1);
  const [letter] = letters;
  await service.database.run("update event_dead_letters set event = ? where id = ?", [
    (letter?.event ?? "").replace("some day", new Date().toISOString()),
    letter?.id ?? "",
  ]);
  await eventStore.dead.replay([letter?.id ?? ""]);
  await expect.poll(ledger, { timeout: 60_000 }).toEqual({
    received: 6,
    pending: 0,
    balance: 0,
    categories: ["attachment 2: stored 2", "session 4: stored 4"],
  });
}

describe("ET-119 what is no event is pending, dead or stored, in the cells of its categories", () => {
  test("on SQLite", async () => {
    const directory = await mkdtemp(join(tmpdir(), "items-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    await followItems({ path: join(directory, "db") });
  });

  test.skipIf(postgres.skip)(postgres.title("on PostgreSQL"), async () => {
    const server = await startPostgres();
    onTestFinished(() => server.stop());
    await followItems({ url: await server.createDatabase() });
  });
});

describe("ET-118 ET-119 dead letters are in the ledger until they are replayed or discarded", () => {
  test("on SQLite", async () => {
    const directory = await mkdtemp(join(tmpdir(), "letters-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    await followLetters({ path: join(directory, "db") });
  });

  test.skipIf(postgres.skip)(postgres.title("on PostgreSQL"), async () => {
    const server = await startPostgres();
    onTestFinished(() => server.stop());
    await followLetters({ url: await server.createDatabase() });
  });
});
