import { type Analytics, AnalyticsError } from "@signalbox/analytics";
import type { DispatchRecord, HandlingRecord } from "@signalbox/event-store";
import { describeDispatchLog } from "@signalbox/event-store/testing";
import { createPrometheusMetrics } from "@signalbox/http";
import { canonicalCorrelationId, createVirtualClock, ulid } from "@signalbox/kernel";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDispatchLog } from "./dispatch-log.js";
import { type LogEntry, type LogPosition, readLog } from "./read-log.js";
import { subscriptionStatistics, typeStatistics } from "./statistics.js";
import { openTestAnalytics } from "./testing/open-analytics.js";

let engine: ClickHouseHttpServer;
let store: Analytics;

beforeAll(async () => {
  engine = await startClickHouseHttp();
  store = await openTestAnalytics(engine.url);
});

afterAll(async () => {
  await store?.close();
  await engine?.stop();
});

describeDispatchLog({
  name: "analytics",
  runner: { describe, test, afterAll },
  create: async () => ({
    log: createDispatchLog({ analytics: store, retentionDays: 30 }),
    destroy: async () => {},
  }),
});

// Times within the retention: rows that are too old are gone before they are read.
const nowMs = Math.floor(Date.now() / 1_000) * 1_000;

function dispatch(changes: Partial<DispatchRecord> = {}): DispatchRecord {
  const eventId = ulid();
  return {
    eventId,
    eventType: "ci.made",
    subject: eventId,
    correlationId: eventId,
    causationId: null,
    rootCaller: null,
    publishedAtMs: nowMs,
    subscriptions: ["ci.worker/ci.made"],
    decisions: ["dispatched"],
    conditionUs: [0],
    dueAtMs: [0],
    deliveryIds: [`${eventId}.ci.worker/ci.made`],
    ...changes,
  };
}

function attempt(changes: Partial<HandlingRecord> = {}): HandlingRecord {
  const eventId = changes.eventId ?? ulid();
  const startedAtMs = changes.startedAtMs ?? nowMs;
  return {
    eventId,
    eventType: "ci.made",
    subscription: "ci.worker/ci.made",
    deliveryId: `${eventId}.ci.worker/ci.made`,
    correlationId: eventId,
    attempt: 1,
    settlement: "done",
    startedAtMs,
    finishedAtMs: startedAtMs + 10,
    schedulingLatencyMs: 1,
    durationMs: 10,
    errorClass: null,
    errorCode: null,
    errorMessage: null,
    ignored: false,
    ...changes,
  };
}

describe("ES-282 writing", () => {
  /** An engine that fails as long as it is told to, over the real one. */
  function unreliable() {
    const inserted: { table: string; rows: number; token: string | undefined }[] = [];
    const state = { error: undefined as unknown, hangs: false, until: undefined as Promise<void> | undefined };
    const analytics: Analytics = {
      engine: store.engine,
      command: (...call) => store.command(...call),
      query: (...call) => store.query(...call),
      ping: (signal) => store.ping(signal),
      close: async () => {},
      async insert(table, rows, options) {
        inserted.push({ table, rows: "chunks" in rows ? rows.rows : rows.length, token: options?.deduplicationToken });
        if (state.hangs) await new Promise(() => {});
        await state.until;
        if (state.error !== undefined) throw state.error;
      },
    };
    return { analytics, inserted, state };
  }

  test("ES-282 rows wait a second for others, or until there are 5,000", async () => {
    const clock = createVirtualClock();
    const { analytics, inserted } = unreliable();
    const log = createDispatchLog({ analytics, retentionDays: 30, clock });
    for (let count = 0; count < 10; count++) log.dispatched(dispatch());
    await clock.advanceBy(999);
    expect(inserted).toEqual([]);
    await clock.advanceBy(1);
    expect(inserted).toMatchObject([{ table: "event_dispatches", rows: 10 }]);
    for (let count = 0; count < 5_000; count++) log.handled(attempt());
    await clock.advanceBy(0);
    expect(inserted.slice(1)).toMatchObject([{ table: "event_attempts", rows: 5_000 }]);
  });

  test("ES-282 rows that come while others are written wait for company, too, unless somebody flushes", async () => {
    const clock = createVirtualClock();
    const { analytics, inserted, state } = unreliable();
    const log = createDispatchLog({ analytics, retentionDays: 30, clock });
    const rowsOf = () => inserted.map(({ rows }) => rows);
    const duringAnInsert = async (work: () => void) => {
      let finish = (): void => {};
      state.until = new Promise<void>((resolve) => {
        finish = resolve;
      });
      for (let count = 0; count < 5_000; count++) log.handled(attempt());
      await clock.advanceBy(0);
      work();
      state.until = undefined;
      finish();
      await clock.advanceBy(0);
    };
    await duringAnInsert(() => log.handled(attempt()));
    expect(rowsOf()).toEqual([5_000]);
    await clock.advanceBy(1_000);
    expect(rowsOf()).toEqual([5_000, 1]);

    let flushing: Promise<void> | undefined;
    await duringAnInsert(() => {
      log.handled(attempt());
      flushing = log.flush();
    });
    await flushing;
    expect(rowsOf()).toEqual([5_000, 1, 5_000, 1]);
  });

  test("ES-282 ES-496 beyond 20,000 waiting rows the oldest are forgotten and counted, and nobody waits", async () => {
    const clock = createVirtualClock();
    const metrics = createPrometheusMetrics();
    const { analytics, state } = unreliable();
    state.hangs = true;
    const log = createDispatchLog({ analytics, retentionDays: 30, clock, metrics });
    const ids: string[] = [];
    for (let count = 0; count < 25_000; count++) {
      const record = dispatch();
      ids.push(record.eventId);
      log.dispatched(record);
    }
    // The first 5,000 are on their way; of the others those that came first had to go.
    const kept = await log.history?.find(ids);
    const positions = kept?.dispatches.map(({ eventId }) => ids.indexOf(eventId)) ?? [];
    expect(positions).toHaveLength(20_000);
    expect(positions).toContain(4_999);
    expect(positions).not.toContain(5_000);
    expect(positions).toContain(24_999);
    expect((await metrics.exposition()).body).toMatch(/^signalbox_event_store_dispatch_log_dropped_total 5000$/m);
  });

  test("ES-282 an engine that is away is asked again with the same token until it answers", async () => {
    const clock = createVirtualClock();
    const { analytics, inserted, state } = unreliable();
    state.error = new AnalyticsError("ANALYTICS_UNAVAILABLE");
    const log = createDispatchLog({ analytics, retentionDays: 30, clock });
    log.dispatched(dispatch());
    await clock.advanceBy(120_000);
    expect(inserted.length).toBeGreaterThan(3);
    state.error = undefined;
    await clock.advanceBy(60_000);
    const tries = inserted.length;
    expect(new Set(inserted.map(({ token }) => token)).size).toBe(1);
    await clock.advanceBy(60_000);
    expect(inserted).toHaveLength(tries);
  });

  test("ES-282 flushing gives up on an engine that does not answer", async () => {
    const clock = createVirtualClock();
    const { analytics, state } = unreliable();
    state.hangs = true;
    const log = createDispatchLog({ analytics, retentionDays: 30, clock });
    log.dispatched(dispatch());
    let done = false;
    const flushed = log.flush().then(() => {
      done = true;
    });
    await clock.advanceBy(4_999);
    expect(done).toBe(false);
    await clock.advanceBy(1);
    await flushed;
  });

  test("ES-282 rows that the engine refuses are given up and counted", async () => {
    const clock = createVirtualClock();
    const metrics = createPrometheusMetrics();
    const { analytics, state, inserted } = unreliable();
    state.error = new AnalyticsError("ANALYTICS_INSERT_REFUSED");
    const log = createDispatchLog({ analytics, retentionDays: 30, clock, metrics });
    log.handled(attempt());
    await clock.advanceBy(300_000);
    expect(inserted).toHaveLength(6);
    expect((await metrics.exposition()).body).toMatch(/^signalbox_event_store_dispatch_log_dropped_total 1$/m);
    state.error = undefined;
    log.handled(attempt());
    await clock.advanceBy(1_000);
    expect(inserted).toHaveLength(7);
  });

  test("ES-282 ES-523 rows are kept for the days that were asked for", async () => {
    const log = createDispatchLog({ analytics: store, retentionDays: 17 });
    const record = dispatch();
    log.dispatched(record);
    log.handled(attempt({ eventId: record.eventId }));
    await log.flush();
    const days = async (table: string): Promise<unknown> =>
      store.query(`SELECT retention_days FROM ${table} WHERE event_id = {id:String}`, {
        id: record.eventId,
      });
    expect(await days("event_dispatches")).toEqual([{ retention_days: 17 }]);
    expect(await days("event_attempts")).toEqual([{ retention_days: 17 }]);
    const tables = await store.query<{ create_table_query: string }>(
      "SELECT create_table_query FROM system.tables WHERE name IN ('event_dispatches', 'event_attempts')",
    );
    expect(tables).toHaveLength(2);
    for (const { create_table_query } of tables)
      expect(create_table_query).toMatch(/TTL .*toIntervalDay\(retention_days\)/);
  });
});

describe("ES-469 reading the log", () => {
  const correlationId = "018f3c1e-4f7b-7c2a-9d3e-5a6b7c8d9e0f";
  const canonical = canonicalCorrelationId(correlationId);
  let published: DispatchRecord[];

  const read = (
    filter: Parameters<typeof readLog>[1],
    limit = 100,
    after?: LogPosition,
  ): Promise<readonly LogEntry[]> => readLog(store, { type: "log.made", ...filter }, limit, after);

  beforeAll(async () => {
    const log = createDispatchLog({ analytics: store, retentionDays: 30 });
    published = Array.from({ length: 6 }, (_, index) =>
      dispatch({
        eventType: "log.made",
        publishedAtMs: nowMs - 10_000 + Math.floor(index / 2) * 1_000,
        correlationId: index === 0 ? canonical : ulid(),
        subscriptions: ["a.one/log.made", "b.two/log.made"],
        decisions: index % 2 === 0 ? ["dispatched", "condition_false"] : ["condition_false", "dispatched"],
        conditionUs: [100, 300],
        dueAtMs: [0, 0],
        deliveryIds: ["", ""],
      }),
    );
    for (const [index, record] of published.entries()) {
      log.dispatched(record);
      log.handled(
        attempt({
          eventId: record.eventId,
          eventType: "log.made",
          subscription: index % 2 === 0 ? "a.one/log.made" : "b.two/log.made",
          correlationId: record.correlationId,
          settlement: index === 5 ? "dead" : "done",
          startedAtMs: record.publishedAtMs + 500,
          finishedAtMs: record.publishedAtMs + 500,
          durationMs: (index + 1) * 10,
          ignored: index === 0,
        }),
      );
    }
    await log.flush();
  });

  test("ES-469 publishes and attempts come newest first", async () => {
    const entries = await read({});
    expect(entries).toHaveLength(12);
    const times = entries.map(({ at }) => at);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(entries.filter(({ kind }) => kind === "attempt")).toHaveLength(6);
  });

  test("ES-469 walking page by page meets every entry once, also those of one millisecond", async () => {
    const seen: string[] = [];
    let after: LogPosition | undefined;
    for (;;) {
      const page = await read({}, 5, after);
      seen.push(...page.map(({ kind, key }) => `${kind} ${key}`));
      after = page.at(-1);
      if (page.length < 5) break;
    }
    expect(seen).toHaveLength(12);
    expect(new Set(seen).size).toBe(12);
  });

  test.each([
    [{ decision: "condition_false" }, 6],
    [{ subscription: "a.one/log.made" }, 9],
    [{ subscription: "a.one/log.made", decision: "dispatched" }, 3],
    [{ settlement: "dead" }, 1],
    [{ settlement: "dead", subscription: "a.one/log.made" }, 0],
    [{ settlement: "done", decision: "dispatched" }, 0],
    [{ correlationId }, 2],
    [{ sinceMs: nowMs - 8_000 }, 4],
    [{ untilMs: nowMs - 9_500 }, 2],
    [{ type: "log.nothing" }, 0],
    [{ type: "it's \\ \" nothing" }, 0],
  ])("ES-469 the filter %o finds %i", async (filter, count) => {
    expect(await read(filter)).toHaveLength(count);
  });

  test("ES-465 volume, failures and durations are counted by type", async () => {
    const statistics = await typeStatistics(store, ["log.made", "log.nothing"], nowMs - 60_000);
    expect([...statistics.keys()]).toEqual(["log.made"]);
    const found = statistics.get("log.made");
    expect(found).toMatchObject({ published: 6, attempts: 6, failed: 1 });
    expect(found?.p50Ms).toBeGreaterThanOrEqual(20);
    expect(found?.p50Ms).toBeLessThanOrEqual(45);
    expect(found?.p95Ms).toBeGreaterThan(45);
    expect(await typeStatistics(store, ["log.made"], nowMs + 1)).toEqual(new Map());
    expect(await typeStatistics(store, [], 0)).toEqual(new Map());
  });

  test("ES-286 what conditions and handlers turn away is counted by subscription", async () => {
    const statistics = await subscriptionStatistics(store, nowMs - 60_000);
    expect(statistics.get("a.one/log.made")).toEqual({
      published: 6,
      conditionFalse: 3,
      meanConditionUs: 100,
      runs: 3,
      ignored: 1,
    });
    expect(statistics.get("b.two/log.made")).toMatchObject({ meanConditionUs: 300, runs: 2, ignored: 0 });
  });
});
