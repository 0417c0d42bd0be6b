import { systemClock } from "@signalbox/kernel";
import type { JsonObject } from "@signalbox/sentry-protocol";
import {
  type ClickHouseHttpServer,
  requireServers,
  startClickHouseHttp,
  startPostgres,
} from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { IssueTables } from "../store/tables.js";
import { createTestDigest, type TestDigest, uninterrupted } from "../testing/digest.js";
import { errorPayload, newEventId, receivedEvent, type SampleOptions } from "../testing/received-event.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics, type TestDatabase } from "../testing/stores.js";
import type { ReceivedEvent } from "./prepare-event.js";
import { dashed } from "./user-counts.js";

let engine: ClickHouseHttpServer;
let stored: TestAnalytics;
let stores: TestDatabase;
let kit: TestDigest;
let projectId = 0;

beforeAll(async () => {
  engine = await startClickHouseHttp();
  stored = await openTestAnalytics(engine.url);
});
afterAll(async () => {
  await stored?.close();
  await engine?.stop();
});
beforeEach(async () => {
  stores = await openTestDatabase();
  // Rows of all tests share the analytics engine, so each test has a project that no other has.
  for (const nextId = projectId + 1; projectId < nextId; ) ({ id: projectId } = await stores.projects.create("Shop"));
  kit = createTestDigest(stores, stored);
});
afterEach(() => stores.close());

const message = (name: string, options: SampleOptions = {}, more: JsonObject = {}): ReceivedEvent =>
  receivedEvent(errorPayload(name, more), { projectId, ...options });

const handle = (events: readonly ReceivedEvent[]) => kit.digest.handle(events, uninterrupted);

const rows = async (): Promise<{ event_id: string; title: string }[]> =>
  stored.analytics.query(
    "SELECT event_id, title FROM error_events FINAL WHERE project_id = {project:UInt64} ORDER BY title, event_id",
    { project: projectId },
  );

const payloads = async (): Promise<number> => {
  const [row] = await stored.analytics.query<{ n: string }>(
    "SELECT count() AS n FROM error_payloads FINAL WHERE project_id = {project:UInt64}",
    { project: projectId },
  );
  return Number(row?.n);
};

const db = () => stores.database.as<IssueTables>();
const states = async () =>
  (await db().selectFrom("error_event_ids").select("state").execute()).map(({ state }) => state);
const counts = async () =>
  (await db().selectFrom("error_issues").select(["event_count"]).orderBy("id").execute()).map((row) => row.event_count);

const ids = (events: readonly ReceivedEvent[]) => events.map(({ data }) => dashed(data.event_id)).sort();

async function expectStoredOnce(events: readonly ReceivedEvent[]): Promise<void> {
  expect((await rows()).map((row) => row.event_id).sort()).toEqual(ids(events));
  expect(await payloads()).toBe(events.length);
  expect((await counts()).reduce((sum, events) => sum + events, 0)).toBe(events.length);
  expect(await states()).toEqual(events.map(() => "written"));
}

describe("batch", () => {
  test("ET-282 when a batch is handled, its events are counted, can be queried and are known as written", async () => {
    const events = [message("a"), message("a"), message("b")];
    expect(await handle(events)).toEqual({ failed: [] });
    await expectStoredOnce(events);
    expect(kit.outcomes).toEqual(["stored", "stored", "stored"]);
  });

  test("ET-282 the steps run in their order, each insert before the state, and one insert per table", async () => {
    const steps: string[] = [];
    const { digest } = createTestDigest(stores, stored, { onStep: (step) => steps.push(step) });
    const before = await inserts();
    await digest.handle(
      Array.from({ length: 50 }, () => message("a", {}, { user: { id: 1 } })),
      uninterrupted,
    );
    expect(steps).toEqual(["prepare", "count", "insert_payloads", "insert_events", "insert_users", "settle"]);
    const after = await inserts();
    expect([...after].map(([table, parts]) => [table, parts - (before.get(table) ?? 0)])).toEqual([
      ["error_events", 1],
      ["error_payloads", 1],
      ["error_users", 1],
    ]);
  });

  /** Parts that inserts have made: a number that merges do not change. */
  async function inserts(): Promise<Map<string, number>> {
    const parts = await stored.analytics.query<{ table: string; n: string }>(
      "SELECT table, max(max_block_number) AS n FROM system.parts WHERE table LIKE 'error_%' GROUP BY table ORDER BY table",
    );
    return new Map(parts.map(({ table, n }) => [table, Number(n)]));
  }

  test("ET-140 ET-221 a new issue is announced once, with the correlation id of the event that made it", async () => {
    const events = Array.from({ length: 8 }, (_, index) =>
      message("a", { correlationId: "ignored" }, { tags: { correlation_id: `order-${index}` } }),
    );
    await Promise.all(events.map((event) => handle([event])));
    expect(await counts()).toEqual([8]);
    expect(kit.published).toHaveLength(1);
    expect(kit.published[0]).toMatchObject({
      type: "error_tracking.issue_created",
      correlationId: expect.stringMatching(/^order-[0-7]$/),
      data: { project_id: projectId, short_number: 1, title: "ValueError: a failed", culprit: "a(app.work)" },
    });
    const [row] = await stored.analytics.query<{ ids: string[] }>(
      "SELECT arraySort(groupArray(correlation_id)) AS ids FROM error_events FINAL WHERE project_id = {project:UInt64}",
      { project: projectId },
    );
    expect(row?.ids).toEqual(events.map((_, index) => `order-${index}`));
  });

  test("when the announcement fails, nothing of the batch is counted", async () => {
    const failing = createTestDigest(stores, stored, {
      publisher: () => ({ publish: () => Promise.reject(Object.assign(new Error("away"), { retryable: true })) }),
    });
    const event = message("a");
    await expect(failing.digest.handle([event], uninterrupted)).rejects.toMatchObject({ code: "ET_STORE_AWAY" });
    expect(await counts()).toEqual([]);
    await handle([event]);
    await expectStoredOnce([event]);
    expect(kit.published).toHaveLength(1);
  });

  test("ET-222 users are counted once each, over all events of an issue", async () => {
    const by = (id: number) => message("a", {}, { user: { id } });
    await handle([by(1), by(2), by(1), message("a")]);
    await handle([by(2), by(3)]);
    const issues = await db().selectFrom("error_issues").select(["event_count", "user_count"]).execute();
    expect(issues).toEqual([{ event_count: 6, user_count: 3 }]);
  });

  test("ET-222 the number of users is exact up to 999 and within 1 % above", async () => {
    const by = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) =>
        message("a", {}, { user: { email: `u${from + index}@example.com` } }),
      );
    const users = async () =>
      (await db().selectFrom("error_issues").select("user_count").executeTakeFirst())?.user_count;
    await handle(by(0, 500));
    await handle(by(250, 999));
    expect(await users()).toBe(999);
    await handle(by(999, 1999));
    await handle(by(1999, 2999));
    expect(Math.abs(((await users()) ?? 0) / 2999 - 1)).toBeLessThan(0.01);
  });
});

describe("repetition", () => {
  test("ET-281 a batch that is handled again, whole, in parts or in other company, changes nothing", async () => {
    const events = Array.from({ length: 9 }, (_, index) => message(`e${index % 3}`, {}, { user: { id: index } }));
    await handle(events);
    const later = message("later");
    await handle(events);
    await handle([later, ...events.slice(4)]);
    await Promise.all([handle(events.slice(0, 3)), handle(events.toReversed())]);
    await expectStoredOnce([...events, later]);
    expect(kit.published).toHaveLength(4);
  });

  test("ET-281 events that were counted before are written with the hash and time of then", async () => {
    const { analytics } = stored;
    const steps: string[] = [];
    // The first worker dies between counting and writing.
    const dying = createTestDigest(stores, stored, {
      onStep: (step) => {
        steps.push(step);
        if (step === "count") throw new Error("killed");
      },
    });
    const eventId = newEventId();
    const receivedAtMs = Date.now();
    const first = message("a", { eventId, receivedAtMs }, { timestamp: receivedAtMs / 1000 - 50 });
    await expect(dying.digest.handle([first], uninterrupted)).rejects.toThrow("killed");
    expect(await rows()).toEqual([]);
    // A later version of the program reads hash and time of the same message otherwise.
    await handle([message("regrouped", { eventId, receivedAtMs }, { timestamp: receivedAtMs / 1000 - 10 })]);
    const [row] = await analytics.query<{ primary_hash: string; timestamp: string }>(
      "SELECT primary_hash, timestamp FROM error_events FINAL WHERE project_id = {project:UInt64}",
      { project: projectId },
    );
    const [known] = await db().selectFrom("error_event_ids").selectAll().execute();
    expect(known).toMatchObject({ state: "written", timestamp_ms: receivedAtMs - 50_000 });
    expect(row).toEqual({
      primary_hash: dashed(known?.primary_hash ?? ""),
      timestamp: new Date(receivedAtMs - 50_000).toISOString(),
    });
    expect(await counts()).toEqual([1]);
  });
});

describe("replay after the ids are forgotten", () => {
  test("ET-281 what was stored longer ago than ids are kept is found in the analytics store", async () => {
    const receivedAtMs = Date.now() - 8 * 86_400_000;
    const event = message("a", { receivedAtMs }, { timestamp: receivedAtMs / 1000 });
    const lost = message("a", { receivedAtMs: receivedAtMs + 1 }, { timestamp: receivedAtMs / 1000 });
    await handle([event]);
    await stores.database.run("delete from error_event_ids");
    expect(await handle([event, lost])).toEqual({ failed: [] });
    await expectStoredOnce([event, lost]);
    expect(kit.outcomes).toEqual(["stored", "stored"]);
  });
});

describe("outage", () => {
  test("ET-283 while the engine is away batches fail without blame, and everything is there once after it returned", async () => {
    const before = [message("a"), message("b")];
    const during = [message("a"), message("c")];
    await engine.kill();
    await expect(handle(before)).rejects.toMatchObject({ code: "ET_STORE_AWAY", retryable: true });
    expect(await states()).toEqual(["counted", "counted"]);
    const held = handle(during);
    await engine.restart();
    await held;
    expect(await handle(before)).toEqual({ failed: [] });
    await expectStoredOnce([...before, ...during]);
    expect(kit.outcomes).toEqual(["stored", "stored", "stored", "stored"]);
  });

  const needed = requireServers(["postgres"]);
  test.skipIf(needed.skip)(needed.title("ET-283 the same holds while the database is away"), async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    await stores.close();
    stores = await openTestDatabase(await postgres.createDatabase());
    kit = createTestDigest(stores, stored);
    // A project of this database, whose number no rows of other tests have.
    const usual = projectId;
    onTestFinished(() => {
      projectId = usual;
    });
    projectId += 1000;
    await stores.database.run("insert into projects (id, slug, name, created_at) values (?, 'x', 'X', 0)", [projectId]);
    const before = [message("a")];
    const during = [message("a"), message("b")];
    await handle(before);
    await postgres.kill();
    await expect(handle(during)).rejects.toMatchObject({ code: "ET_STORE_AWAY", retryable: true });
    await postgres.restart();
    expect(await handle(during)).toEqual({ failed: [] });
    await expectStoredOnce([...before, ...during]);
  });

  test("a batch that is under way when the program ends is nobody's failure", async () => {
    await stores.database.close();
    await expect(handle([message("a"), message("b")])).rejects.toMatchObject({ code: "ET_STORE_AWAY" });
  });

  test("ET-283 a batch that is held back too long is given back instead of counted", async () => {
    let nowMs = 0;
    const { digest } = createTestDigest(stores, stored, {
      clock: {
        nowMs: () => Date.now(),
        monotonicMs: () => nowMs,
        setTimer: (delayMs, callback) => systemClock.setTimer(delayMs, callback),
        sleep: async (delayMs) => {
          nowMs += delayMs;
        },
      },
    });
    await engine.kill();
    await expect(digest.handle([message("a")], uninterrupted)).rejects.toMatchObject({ code: "ET_STORE_AWAY" });
    await expect(digest.handle([message("b")], uninterrupted)).rejects.toMatchObject({ code: "ET_STORE_AWAY" });
    expect(nowMs).toBeGreaterThanOrEqual(30_000);
    expect(await counts()).toEqual([1]);
    await engine.restart();
  });

  test.each(["before", "after"] as const)(
    "ET-282 an insert whose answer is lost %s it took effect doubles nothing",
    async (when) => {
      const events = [message("a", {}, { user: { id: 1 } }), message("b", {}, { user: { id: 2 } })];
      for (let times = 1; times <= 3; times++) {
        await engine.misbehave({ hangUp: { times: 1, when } });
        await expect(handle(events)).rejects.toMatchObject({ code: "ET_STORE_AWAY" });
        await engine.misbehave({});
        await handle([message(`company ${times}`)]);
      }
      await handle(events);
      const all = await rows();
      expect(
        all
          .filter(({ title }) => !title.includes("company"))
          .map((row) => row.event_id)
          .sort(),
      ).toEqual(ids(events));
      expect(all).toHaveLength(5);
      const users = await db().selectFrom("error_issues").select("user_count").orderBy("id").execute();
      expect(users.slice(0, 2)).toEqual([{ user_count: 1 }, { user_count: 1 }]);
    },
  );
});

describe("poison", () => {
  test("ET-286 what fails in the pure steps concerns that event alone", async () => {
    const good = [message("a"), message("b")];
    const result = await handle([...good.slice(0, 1), message("x", { content: "not json" }), ...good.slice(1)]);
    expect(result.failed).toMatchObject([{ index: 1, error: { code: "ET_JSON_INVALID", retryable: false } }]);
    await expectStoredOnce(good);
  });

  test("ET-286 a batch that the analytics engine refuses is halved until the culprit is alone", async () => {
    await stored.analytics.command("ALTER TABLE error_events ADD CONSTRAINT no_poison CHECK title NOT LIKE '%poison%'");
    try {
      const good = Array.from({ length: 20 }, (_, index) => message(`e${index}`));
      const events = [
        ...good.slice(0, 7),
        message("poison"),
        ...good.slice(7, 13),
        message("more poison"),
        ...good.slice(13),
      ];
      const result = await handle(events);
      expect(result.failed.map(({ index }) => index).sort((a, b) => a - b)).toEqual([7, 14]);
      for (const { error } of result.failed) {
        expect(error).toMatchObject({
          code: "ET_EVENT_REFUSED",
          retryable: true,
          cause: { code: "ANALYTICS_INSERT_REFUSED" },
        });
      }
      expect((await rows()).map((row) => row.event_id).sort()).toEqual(ids(good));
    } finally {
      await stored.analytics.command("ALTER TABLE error_events DROP CONSTRAINT no_poison");
    }
  });

  test("ET-286 a batch that the database refuses is halved, too, and what it refuses is not counted", async () => {
    await handle([message("poison seed")]);
    await stores.database.run(
      "create unique index no_poison on error_issues (case when title like '%poison%' then 1 end)",
    );
    const good = Array.from({ length: 9 }, (_, index) => message(`e${index}`));
    const result = await handle([...good.slice(0, 3), message("poison"), ...good.slice(3)]);
    expect(result.failed).toMatchObject([{ index: 3, error: { code: "ET_EVENT_REFUSED" } }]);
    expect(
      (await rows())
        .filter(({ title }) => !title.includes("poison"))
        .map((row) => row.event_id)
        .sort(),
    ).toEqual(ids(good));
    expect(await states()).toHaveLength(10);
    const shortNumbers = await db().selectFrom("error_issues").select("short_number").orderBy("short_number").execute();
    expect(shortNumbers.map((row) => row.short_number)).toEqual(Array.from({ length: 10 }, (_, index) => index + 1));
  });
});
