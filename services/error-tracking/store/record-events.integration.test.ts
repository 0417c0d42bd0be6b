import type { JsonObject } from "@signalbox/sentry-protocol";
import { requireServers, startPostgres } from "@signalbox/testing/servers";
import type { Transaction } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { DigestedEvent } from "../digest/digested-event.js";
import { prepareEvent } from "../digest/prepare-event.js";
import { defaultOptions, unexplained } from "../testing/prepare.js";
import { errorPayload, newEventId, receivedEvent, type SampleOptions } from "../testing/received-event.js";
import { openTestDatabase, type TestDatabase } from "../testing/stores.js";
import { markWritten } from "./event-ids.js";
import { type RecordedBatch, recordEvents } from "./record-events.js";
import type { IssueTables } from "./tables.js";

const needed = requireServers(["postgres"]);

describe("SQLite", () => describeRecording(() => openTestDatabase()));

describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  describeRecording(async () => openTestDatabase(await server.createDatabase()));
});

function describeRecording(open: () => Promise<TestDatabase>): void {
  let opened: TestDatabase;
  beforeEach(async () => {
    opened = await open();
  });
  afterEach(() => opened.close());

  const nowMs = Date.now();

  const digested = (name: string, options: SampleOptions = {}, more: JsonObject = {}): DigestedEvent =>
    prepareEvent(receivedEvent(errorPayload(name, more), { receivedAtMs: nowMs, ...options }), defaultOptions);

  const record = (events: readonly DigestedEvent[]): Promise<RecordedBatch> =>
    opened.database.transaction((transaction: Transaction<unknown>) =>
      recordEvents(opened.database, events, nowMs, transaction, unexplained),
    );

  const write = (events: readonly DigestedEvent[]): Promise<void> =>
    opened.database.transaction((transaction: Transaction<unknown>) =>
      markWritten(opened.database, events, transaction),
    );

  const db = () => opened.database.as<IssueTables>();
  const issues = () => db().selectFrom("error_issues").selectAll().orderBy("id").execute();

  const ledger = async (): Promise<Record<string, number>> => {
    const rows = await db().selectFrom("error_ledger").selectAll().execute();
    const cells: Record<string, number> = {};
    for (const row of rows) {
      const cell = row.reason === "" ? row.outcome : `${row.outcome}/${row.reason}`;
      cells[cell] = (cells[cell] ?? 0) + row.quantity;
    }
    return cells;
  };

  test("two events of one hash make one issue with two events; another hash makes another", async () => {
    const { created } = await record([digested("a"), digested("b"), digested("a")]);
    const rows = await issues();
    expect(rows.map((row) => [row.title, row.culprit, row.event_count, row.status, row.substatus])).toEqual([
      ["ValueError: a failed", "a(app.work)", 2, "unresolved", "new"],
      ["ValueError: b failed", "b(app.work)", 1, "unresolved", "new"],
    ]);
    expect(created.map(({ issueId }) => issueId)).toEqual(rows.map(({ id }) => id));
    expect((await record([digested("a")])).created).toEqual([]);
    expect((await issues())[0]?.event_count).toBe(3);
  });

  test("ET-193 an event joins the issue of the first hash that is known, and its other hashes go there", async () => {
    const frames = (library: string): JsonObject => ({
      exception: [
        {
          type: "E",
          stacktrace: {
            frames: [
              { function: library, in_app: false },
              { function: "mine", in_app: true },
            ],
          },
        },
      ],
    });
    await record([digested("x", {}, frames("v1"))]);
    await record([digested("x", {}, frames("v2"))]);
    expect(await issues()).toMatchObject([{ event_count: 2 }]);
    const hashes = await db().selectFrom("error_hashes").selectAll().execute();
    expect(hashes).toHaveLength(3);
    expect(new Set(hashes.map((row) => row.issue_id)).size).toBe(1);
    expect(hashes.reduce((sum, row) => sum + row.event_count, 0)).toBe(2);
  });

  test("ET-222 first and last seen are the extremes of event times, releases go by receipt", async () => {
    const at = (timestamp: number, receivedAtMs: number, release: string) =>
      digested("a", { receivedAtMs }, { timestamp: timestamp / 1000, release });
    await record([at(nowMs - 5000, nowMs - 300, "2"), at(nowMs - 9000, nowMs - 200, "3")]);
    await record([at(nowMs - 1000, nowMs - 400, "1"), digested("a", { receivedAtMs: nowMs })]);
    expect(await issues()).toMatchObject([
      { first_seen_ms: nowMs - 9000, last_seen_ms: nowMs, first_release: "1", last_release: "3", event_count: 4 },
    ]);
  });

  test("ET-222 hours and minutes are counted by event time and add up to the total", async () => {
    const hour = 3_600_000;
    await record([
      digested("a", {}, { timestamp: (nowMs - 5 * hour) / 1000 }),
      digested("a", {}, { timestamp: nowMs / 1000 }),
    ]);
    await record([digested("a", {}, { timestamp: nowMs / 1000 })]);
    const hours = await db().selectFrom("error_hash_hours").selectAll().orderBy("hour").execute();
    expect(hours.map((row) => [row.hour, row.events])).toEqual([
      [Math.floor((nowMs - 5 * hour) / hour), 1],
      [Math.floor(nowMs / hour), 2],
    ]);
    const minutes = await db().selectFrom("error_hash_minutes").selectAll().execute();
    expect(minutes.map((row) => [row.minute, row.events])).toEqual([[Math.floor(nowMs / 60_000), 2]]);
  });

  test("ET-281 a message that is delivered again before its rows were written counts nothing and is written as remembered", async () => {
    const event = digested("a");
    const [first] = (await record([event])).toWrite;
    const regrouped: DigestedEvent = { ...digested("other", { eventId: event.eventId }), timestampMs: nowMs - 77 };
    const again = await record([{ ...regrouped, bodyDigest: event.bodyDigest }]);
    expect(again.toWrite).toMatchObject([
      { issueId: first?.issueId, primaryHash: first?.primaryHash, timestampMs: nowMs, sampleWeight: 1 },
    ]);
    expect(again.outcomes).toEqual([]);
    expect(await issues()).toMatchObject([{ event_count: 1 }]);
    expect(await ledger()).toEqual({ received: 1, stored: 1 });
  });

  test("ET-281 a message that is delivered again after its rows were written does nothing at all", async () => {
    const event = digested("a");
    await record([event]);
    await write([event]);
    expect(await record([event])).toEqual({ toWrite: [], created: [], moved: [], outcomes: [], abandoned: [] });
    expect(await issues()).toMatchObject([{ event_count: 1 }]);
    expect(await ledger()).toEqual({ received: 1, stored: 1 });
  });

  test("ET-281 another message with the same id is a duplicate, a conflict when its content differs; the first wins", async () => {
    const eventId = newEventId();
    const original = digested("a", { eventId });
    await record([original]);
    await write([original]);
    const copy = digested("a", { eventId, receivedAtMs: nowMs + 5 });
    const conflict = digested("b", { eventId, receivedAtMs: nowMs + 9 });
    for (const event of [copy, copy, conflict, conflict]) expect((await record([event])).toWrite).toEqual([]);
    expect(await ledger()).toEqual({ received: 3, stored: 1, "duplicate/same_content": 1, "duplicate/id_conflict": 1 });
    expect(await issues()).toMatchObject([{ title: "ValueError: a failed", event_count: 1 }]);
  });

  test("ET-281 copies within one batch are found, too", async () => {
    const eventId = newEventId();
    const batch = await record([
      digested("a", { eventId }),
      digested("a", { eventId }),
      digested("a", { eventId, receivedAtMs: nowMs + 5 }),
    ]);
    // The second is the same message once more: it finds the first one counted and would write the same row.
    expect(new Set(batch.toWrite.map(({ digested: { eventId: id } }) => id))).toEqual(new Set([eventId]));
    expect(await ledger()).toEqual({ received: 2, stored: 1, "duplicate/same_content": 1 });
    expect(await issues()).toMatchObject([{ event_count: 1 }]);
  });

  test("events of a project that is gone are counted as such and make nothing", async () => {
    const { toWrite, created } = await record([digested("a", { projectId: 99 }), digested("b")]);
    expect(created).toHaveLength(1);
    expect(toWrite).toHaveLength(1);
    expect(await ledger()).toEqual({ received: 2, stored: 1, "invalid/project_gone": 1 });
  });

  test("the same hash in two projects is two issues, each with short ids of its own", async () => {
    const other = await opened.projects.create("Other");
    await record([digested("a"), digested("a", { projectId: other.id }), digested("b", { projectId: other.id })]);
    expect((await issues()).map((row) => [row.project_id, row.short_number])).toEqual([
      [1, 1],
      [other.id, 1],
      [other.id, 2],
    ]);
  });

  test("ET-221 many workers with the first events of one fingerprint make one issue, an exact count and no gap in short ids", async () => {
    const workers = Array.from({ length: 12 }, (_, worker) =>
      Array.from({ length: 5 }, (_, index) => digested(index === 4 ? `own ${worker % 3}` : "shared")),
    );
    const batches = await Promise.all(workers.map((events) => record(events)));
    const rows = await issues();
    expect(rows.map((row) => row.event_count).sort((a, b) => a - b)).toEqual([4, 4, 4, 48]);
    expect(rows.map((row) => row.short_number).sort((a, b) => a - b)).toEqual([1, 2, 3, 4]);
    expect(batches.flatMap(({ created }) => created)).toHaveLength(4);
    const hashes = await db().selectFrom("error_hashes").selectAll().execute();
    expect(hashes.reduce((sum, row) => sum + row.event_count, 0)).toBe(60);
    expect(await ledger()).toEqual({ received: 60, stored: 60 });
  });

  test("ET-221 a batch that fails leaves no gap in short ids", async () => {
    const work = opened.database.transaction(async (transaction: Transaction<unknown>) => {
      await recordEvents(opened.database, [digested("a")], nowMs, transaction, unexplained);
      throw new Error("late failure");
    });
    await expect(work).rejects.toThrow("late failure");
    await record([digested("b")]);
    expect((await issues()).map((row) => row.short_number)).toEqual([1]);
    expect(await ledger()).toEqual({ received: 1, stored: 1 });
  });

  test("batches that hold the same projects in another order do not block each other for ever", async () => {
    const ids = [1, (await opened.projects.create("Two")).id, (await opened.projects.create("Three")).id];
    const batch = (order: readonly number[]) => order.map((projectId) => digested("a", { projectId }));
    await Promise.all(Array.from({ length: 10 }, (_, index) => record(batch(index % 2 ? ids : ids.toReversed()))));
    expect((await issues()).map((row) => row.event_count)).toEqual([10, 10, 10]);
  });
}
