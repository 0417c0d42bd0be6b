import { systemClock } from "@signalbox/kernel";
import type { JsonObject } from "@signalbox/sentry-protocol";
import {
  type ClickHouseHttpServer,
  requireServers,
  startClickHouseHttp,
  startPostgres,
} from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { changeIssues } from "../issues/change-issues.js";
import { sampleWeightOf } from "../store/sample-storm.js";
import type { IssueTables } from "../store/tables.js";
import { createTestDigest, type TestDigest, uninterrupted } from "../testing/digest.js";
import { errorPayload, newEventId, receivedEvent } from "../testing/received-event.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics, type TestDatabase } from "../testing/stores.js";
import { verify } from "../upkeep/verify.js";
import type { ReceivedEvent } from "./prepare-event.js";

const keepPerHour = 10;
/** In the middle of the hour before this one, so that no storm of a test lies across two hours. */
const atMs = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 1_800_000;

const postgres = requireServers(["postgres"]);
let engine: ClickHouseHttpServer;
let stored: TestAnalytics;
let projectId = 0;

beforeAll(async () => {
  engine = await startClickHouseHttp();
  stored = await openTestAnalytics(engine.url);
});
afterAll(async () => {
  await stored?.close();
  await engine?.stop();
});

function describeStorm(name: string, open: () => Promise<{ stores: TestDatabase; close(): Promise<void> }>): void {
  describe(name, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let stores: TestDatabase;
    let kit: TestDigest;

    beforeEach(async () => {
      opened = await open();
      stores = opened.stores;
      for (const nextId = projectId + 1; projectId < nextId; )
        ({ id: projectId } = await stores.projects.create("Shop"));
      kit = createTestDigest(stores, stored, { keepPerHour });
    });
    afterEach(() => opened.close());

    const message = (more: JsonObject = {}, eventId = newEventId()): ReceivedEvent =>
      receivedEvent(errorPayload("work", { timestamp: atMs / 1000, ...more }), {
        projectId,
        eventId,
        receivedAtMs: atMs,
      });
    const send = async (events: readonly ReceivedEvent[]): Promise<void> => {
      expect(await kit.digest.handle(events, uninterrupted)).toEqual({ failed: [] });
    };
    /** Sizes of batches do not matter. */
    const sendInBatches = async (events: readonly ReceivedEvent[]): Promise<void> => {
      for (let from = 0, size = 1; from < events.length; from += size, size = ((size * 3) % 40) + 1)
        await send(events.slice(from, from + size));
    };
    const weights = async (): Promise<number[]> => {
      const rows = await stored.analytics.query<{ w: number }>(
        `SELECT sample_weight AS w FROM error_events FINAL WHERE project_id = {project:UInt64} ORDER BY w`,
        { project: projectId },
      );
      return rows.map(({ w }) => w);
    };
    const db = () => stores.database.as<IssueTables>();
    const issue = async () => {
      const [only] = await db().selectFrom("error_issues").selectAll().where("project_id", "=", projectId).execute();
      if (only === undefined) throw new Error("There is no issue.");
      return only;
    };
    const outcomes = async (): Promise<Record<string, number>> => {
      const rows = await db()
        .selectFrom("error_ledger")
        .selectAll()
        .where("project_id", "=", projectId)
        .where("key_id", "=", 1)
        .execute();
      return Object.fromEntries(rows.map((row) => [`${row.outcome} ${row.reason}`.trim(), row.quantity]));
    };
    const findings = async () =>
      (
        await verify(
          { database: stores.database, analytics: stored.analytics, clock: systemClock, groupingVersion: 1 },
          { projectId, sinceMs: atMs - 3_600_000 },
        )
      ).findings;

    test("ET-094 ET-111 ET-281 in a storm everything is counted and few rows are kept", async () => {
      const total = 300;
      const events = Array.from({ length: total }, (_, index) => message({ user: { id: index % 7 } }));
      await sendInBatches(events);
      const kept = Array.from({ length: total }, (_, index) => sampleWeightOf(index + 1, keepPerHour)).filter(Boolean);
      expect(await weights()).toEqual([...kept].sort((a, b) => a - b));
      expect(await issue()).toMatchObject({ event_count: total, user_count: 7, last_seen_ms: atMs });
      expect(await outcomes()).toEqual({
        received: total,
        stored: kept.length,
        "sampled storm": total - kept.length,
      });
      expect(await findings()).toEqual([]);

      // Delivered once more, nothing changes.
      await sendInBatches(events);
      expect(await issue()).toMatchObject({ event_count: total });
      expect(await outcomes()).toMatchObject({ received: total });
      expect(await weights()).toHaveLength(kept.length);
    });

    test("ET-090 events whose key was disabled while they waited are refused and in no counter", async () => {
      const { id: keyId } = await stores.projects.createKey(projectId);
      const waiting = [1, 2].map(() => receivedEvent(errorPayload("work"), { projectId, keyId, receivedAtMs: atMs }));
      await stores.projects.updateKey(projectId, keyId, { active: false });
      await send([...waiting, message()]);
      expect(await issue()).toMatchObject({ event_count: 1 });
      expect(await weights()).toEqual([1]);
      expect(await outcomes()).toMatchObject({ received: 1, stored: 1 });
      const refused = await db().selectFrom("error_ledger").selectAll().where("key_id", "=", keyId).execute();
      expect(refused.map((row) => `${row.outcome} ${row.reason} ${row.quantity}`).sort()).toEqual([
        "rate_limited quota 2",
        "received  2",
      ]);
      expect(await findings()).toEqual([]);
      // The key works again; what was refused stays so, however often it is delivered.
      await stores.projects.updateKey(projectId, keyId, { active: true });
      await send(waiting);
      expect(await issue()).toMatchObject({ event_count: 1 });
    });

    test("ET-095 the first event of each release and environment is kept in the middle of a storm", async () => {
      await send(Array.from({ length: 41 }, () => message({ environment: "production", release: "1.0" })));
      const before = (await weights()).length;
      const first = [
        message({ environment: "production", release: "1.1" }),
        message({ environment: "staging", release: "1.1" }),
      ];
      await send([...first, ...Array.from({ length: 5 }, () => message({ environment: "staging", release: "1.1" }))]);
      expect((await weights()).length - before).toBeLessThan(5);
      const rows = await stored.analytics.query<{ id: string }>(
        "SELECT toString(event_id) AS id FROM error_events FINAL WHERE project_id = {project:UInt64}",
        { project: projectId },
      );
      const found = rows.map(({ id }) => id.replaceAll("-", ""));
      expect(found).toEqual(expect.arrayContaining(first.map(({ data }) => data.event_id)));
    });

    test("ET-095 the event that calls an issue back is kept in the middle of a storm", async () => {
      await send(Array.from({ length: 40 }, () => message()));
      const { id } = await issue();
      await changeIssues(
        {
          database: stores.database,
          clock: { ...systemClock, nowMs: () => atMs - 1000 },
          publisher: () => ({ publish: async () => {} }),
        },
        { projectId, issueIds: [id], change: { status: "resolved" }, actor: "tester" },
      );
      const regressing = message();
      await send([regressing, message(), message()]);
      expect(await issue()).toMatchObject({ status: "unresolved", substatus: "regressed" });
      const [row] = await stored.analytics.query<{ n: string }>(
        `SELECT count() AS n FROM error_events FINAL
        WHERE project_id = {project:UInt64} AND replaceAll(toString(event_id), '-', '') = {event:String}`,
        { project: projectId, event: regressing.data.event_id },
      );
      expect(Number(row?.n)).toBe(1);
    });
  });
}

describeStorm("SQLite", async () => {
  const stores = await openTestDatabase();
  return { stores, close: () => stores.close() };
});

describe.skipIf(postgres.skip)(postgres.title("PostgreSQL"), () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.stop());
  describeStorm("storm", async () => {
    const stores = await openTestDatabase(await server.createDatabase());
    return { stores, close: () => stores.close() };
  });
});
