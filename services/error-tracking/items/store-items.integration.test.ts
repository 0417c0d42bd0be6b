import { AnalyticsError } from "@signalbox/analytics";
import { systemClock } from "@signalbox/kernel";
import {
  type ClickHouseHttpServer,
  requireServers,
  startClickHouseHttp,
  startPostgres,
} from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { lastCommits, saveRelease } from "../issues/save-release.js";
import { referredBlobs } from "../store/attachments.js";
import type { IssueTables } from "../store/tables.js";
import { createTestDigest, uninterrupted } from "../testing/digest.js";
import { errorPayload, newEventId, receivedEvent } from "../testing/received-event.js";
import { type ReceivedItemsOptions, receivedItems } from "../testing/received-items.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics, type TestDatabase } from "../testing/stores.js";
import { requestDeletion, runDeletions } from "../upkeep/delete-data.js";
import { listFeedback } from "./list-feedback.js";
import { listCheckIns, listMonitors } from "./list-monitors.js";
import { createItemStorage, type ItemStorage, type StoreItemsDependencies } from "./store-items.js";

let engine: ClickHouseHttpServer;
let stored: TestAnalytics;
let stores: TestDatabase;
let projectId = 0;
let outcomes: [type: string, outcome: string, quantity: number][];

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
  outcomes = [];
});
afterEach(() => stores.close());

const storage = (changes: Partial<StoreItemsDependencies> = {}): ItemStorage =>
  createItemStorage({
    database: stores.database,
    analytics: stored.analytics,
    retentionDays: 90,
    groupingVersion: 1,
    onOutcome: (...outcome) => outcomes.push(outcome),
    ...changes,
  });

const items = (type: string, item: object, options: ReceivedItemsOptions = {}) =>
  receivedItems([[type, JSON.parse(JSON.stringify(item))]], { projectId, ...options });

const handle = async (...messages: ReturnType<typeof items>[]) => {
  const { failed } = await storage().handle(messages, uninterrupted);
  expect(failed).toEqual([]);
};

const db = () => stores.database.as<IssueTables>();

const ledger = async () => {
  const rows = await db().selectFrom("error_ledger").selectAll().where("project_id", "=", projectId).execute();
  return Object.fromEntries(
    rows.map(({ category, outcome, reason, quantity }) => [`${category} ${outcome} ${reason}`.trim(), quantity]),
  );
};

const sessions = () =>
  stored.analytics.query<Record<string, unknown>>(
    `SELECT release, environment, status, toUInt32(errors) AS errors, duration, toUInt32(quantity) AS quantity
    FROM error_sessions FINAL WHERE project_id = {project:UInt64} ORDER BY release, status`,
    { project: projectId },
  );

const session = (status: string, more: object = {}) => ({
  sid: "7c7b6585-f901-4351-bf8d-02711b721929",
  did: "ann",
  started: new Date(Date.now() - 60_000).toISOString().slice(0, 19),
  status,
  attrs: { release: "shop@1.0" },
  ...more,
});

const checkIns = () => db().selectFrom("error_check_ins").selectAll().orderBy("id").execute();
const feedback = () => db().selectFrom("error_feedback").selectAll().orderBy("id").execute();

test("ET-273 ET-300 of the states of a session the one with the highest number is its state, in any order", async () => {
  const started = session("ok").started;
  const states = [
    session("ok", { seq: 0, init: true, started }),
    session("crashed", { seq: 2, started, duration: 5.5 }),
    session("ok", { seq: 1, started, errors: 1 }),
  ];
  for (const state of [states[1], states[0], states[2]]) await handle(items("session", state ?? {}));
  expect(await sessions()).toMatchObject([
    { release: "shop@1.0", environment: "production", status: "crashed", errors: 1, duration: 5.5, quantity: 1 },
  ]);
  expect(await ledger()).toEqual({ "session received": 3, "session stored": 3 });
});

test("ET-300 ET-281 counted sessions are there once, however often their message is delivered or sent", async () => {
  const item = {
    aggregates: [{ started: new Date().toISOString(), exited: 40, crashed: 2 }],
    attrs: { release: "shop@1.1", environment: "staging" },
  };
  const receivedAtMs = Date.now();
  const message = items("sessions", item, { receivedAtMs });
  await handle(message, message);
  await handle(message);
  const copy = items("sessions", item, { receivedAtMs: receivedAtMs + 1000 });
  await handle(copy);
  await handle(copy);
  expect(await sessions()).toMatchObject([
    { status: "exited", quantity: 40, environment: "staging" },
    { status: "crashed", quantity: 2 },
  ]);
  expect(await ledger()).toEqual({
    "session received": 2,
    "session stored": 1,
    "session duplicate same_content": 1,
  });
  expect(outcomes).toEqual([
    ["sessions", "stored", 1],
    ["sessions", "duplicate", 1],
  ]);
});

test("ET-245 a release is made by the first session that names it", async () => {
  const receivedAtMs = Date.now();
  const state = (more: object) => session("ok", { attrs: { release: "shop@3.0" }, ...more });
  await handle(items("session", state({}), { receivedAtMs }));
  await handle(items("session", state({ seq: 2 }), { receivedAtMs: receivedAtMs + 1000 }));
  expect(await db().selectFrom("error_releases").select(["version", "created_at_ms", "new_issues"]).execute()).toEqual([
    { version: "shop@3.0", created_at_ms: receivedAtMs, new_issues: 0 },
  ]);
});

test("ET-054 ET-310 a check-in begins and ends, makes its monitor, and does not begin again", async () => {
  const id = "83a7c03ed0a04e1b97e2e3b18d38f244";
  const config = { schedule: { type: "interval", value: 1, unit: "hour" } };
  const at = Date.now();
  const begun = { check_in_id: id, monitor_slug: "backup", status: "in_progress", monitor_config: config };
  await handle(items("check_in", begun, { receivedAtMs: at }));
  expect(await checkIns()).toMatchObject([{ check_in_id: id, status: "in_progress", ended_at_ms: null }]);
  await handle(
    items("check_in", { check_in_id: id, monitor_slug: "backup", status: "ok" }, { receivedAtMs: at + 4000 }),
  );
  await handle(items("check_in", { ...begun, environment: "production" }, { receivedAtMs: at + 5000 }));
  expect(await checkIns()).toMatchObject([
    { check_in_id: id, status: "ok", started_at_ms: at, ended_at_ms: at + 4000, duration_ms: 4000 },
  ]);
  const [monitor] = await db().selectFrom("error_monitors").selectAll().execute();
  expect(monitor).toMatchObject({ slug: "backup", last_status: "in_progress", last_check_in_at_ms: at + 5000 });
  expect(JSON.parse(monitor?.config ?? "")).toMatchObject({ schedule: config.schedule, maxRuntimeMinutes: 30 });
});

test("ET-310 a check-in whose id is zeros is the newest one in progress of that environment", async () => {
  const zeros = "0".repeat(32);
  const at = Date.now();
  const begin = (id: string, environment: string, receivedAtMs: number) =>
    items("check_in", { check_in_id: id, monitor_slug: "m", status: "in_progress", environment }, { receivedAtMs });
  await handle(begin("1".repeat(32), "production", at), begin("2".repeat(32), "production", at + 1));
  await handle(begin("3".repeat(32), "staging", at + 2));
  const end = { check_in_id: zeros, monitor_slug: "m", status: "error", environment: "production" };
  await handle(items("check_in", end, { receivedAtMs: at + 10 }));
  expect((await checkIns()).map(({ check_in_id: id, status }) => [id[0], status])).toEqual([
    ["1", "in_progress"],
    ["2", "error"],
    ["3", "in_progress"],
  ]);
  // With none in progress it is one of its own, with a monitor that has no schedule.
  await handle(items("check_in", { ...end, monitor_slug: "other" }));
  expect((await checkIns()).at(-1)).toMatchObject({ status: "error", environment: "production" });
  expect((await db().selectFrom("error_monitors").select(["slug", "config"]).execute()).at(-1)).toEqual({
    slug: "other",
    config: null,
  });
});

test("ET-052 ET-162 feedback is stored before its event, and belongs to the issue once the event comes", async () => {
  const eventId = newEventId();
  await handle(items("user_report", { event_id: eventId, name: "Ann", comments: "It broke" }));
  expect(await feedback()).toMatchObject([{ event_id: eventId, message: "It broke", primary_hash: null }]);
  const { digest } = createTestDigest(stores, stored);
  await digest.handle([receivedEvent(errorPayload("checkout"), { projectId, eventId })], uninterrupted);
  const [hash] = await db().selectFrom("error_event_ids").select("primary_hash").execute();
  expect(await feedback()).toMatchObject([{ primary_hash: hash?.primary_hash }]);
  // What is said of an event that is there already belongs to its issue at once.
  const late = { contexts: { feedback: { message: "Still broken", associated_event_id: eventId } } };
  await handle(items("feedback", late));
  expect((await feedback()).map((said) => said.primary_hash)).toEqual([hash?.primary_hash, hash?.primary_hash]);
  expect(await ledger()).toMatchObject({ "feedback received": 2, "feedback stored": 2, "error stored": 1 });
});

test("ET-055 what clients say they discarded is added up once per report and is no part of the balance", async () => {
  const report = { discarded_events: [{ reason: "sample_rate", category: "error", quantity: 4 }] };
  const message = items("client_report", report);
  await handle(message);
  await handle(message);
  await handle(items("client_report", { ...report, timestamp: Date.now() / 1000 }));
  expect(await db().selectFrom("error_client_discards").selectAll().execute()).toMatchObject([
    { category: "error", reason: "sample_rate", quantity: 8, project_id: projectId },
  ]);
  expect(await ledger()).toEqual({});
});

test("ET-051 attachments that come without their event are tied to its id", async () => {
  const eventId = newEventId();
  const attachment = { blob: "error-attachments/01JZ3V2M5T8Q4X9C7B6A1D0E2F", name: "log.txt", bytes: 3, sha256: "ab" };
  const message = receivedItems([], { projectId, eventId, attachments: [attachment] });
  await handle(message);
  await handle(message);
  expect(await db().selectFrom("error_attachments").selectAll().execute()).toMatchObject([
    { event_id: eventId, name: "log.txt", bytes: 3, project_id: projectId },
  ]);
  expect(await ledger()).toEqual({ "attachment received": 1, "attachment stored": 1 });
});

test("ET-283 while the analytics engine is away everything waits, and is there once afterwards", async () => {
  const message = items("session", session("exited"));
  const away = { ...stored.analytics, insert: () => Promise.reject(new AnalyticsError("ANALYTICS_UNAVAILABLE")) };
  await expect(storage({ analytics: away }).handle([message], uninterrupted)).rejects.toMatchObject({
    code: "ET_STORE_AWAY",
    retryable: true,
  });
  await handle(message);
  expect(await sessions()).toMatchObject([{ status: "exited" }]);
  expect(await ledger()).toEqual({ "session received": 1, "session stored": 1 });
});

test("ET-286 one message that cannot be stored keeps no other from being stored", async () => {
  const good = items("check_in", { monitor_slug: "good", status: "ok" });
  const poison = items("check_in", { monitor_slug: "poison", status: "ok" });
  await stores.database.run("create unique index only_one on error_check_ins (project_id)");
  const { failed } = await storage().handle([good, poison], uninterrupted);
  expect(failed.map(({ index }) => index)).toEqual([1]);
  expect((await db().selectFrom("error_monitors").select("slug").execute()).map(({ slug }) => slug)).toEqual(["good"]);
});

test("ET-288 items of a project that is gone are counted as such and leave nothing behind", async () => {
  const gone = projectId + 100;
  await handle(receivedItems([["user_report", { event_id: newEventId(), comments: "hello" }]], { projectId: gone }));
  expect(await feedback()).toEqual([]);
  expect(
    await db().selectFrom("error_ledger").select(["outcome", "reason"]).where("project_id", "=", gone).execute(),
  ).toEqual([
    { outcome: "invalid", reason: "project_gone" },
    { outcome: "received", reason: "" },
  ]);
});

const needed = requireServers(["postgres"]);

describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  test("ET-281 everything that is no event is stored once, listed and removed there, too", async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    await stores.close();
    stores = await openTestDatabase(await postgres.createDatabase());
    for (const nextId = projectId + 1; projectId < nextId; ) ({ id: projectId } = await stores.projects.create("Shop"));
    const eventId = newEventId();
    const report = { discarded_events: [{ reason: "sample_rate", category: "error", quantity: 4 }] };
    const blob = "error-attachments/01JZ3V2M5T8Q4X9C7B6A1D0E2F";
    const message = receivedItems(
      [
        ["session", session("exited")],
        ["check_in", { monitor_slug: "m", status: "in_progress", check_in_id: "1".repeat(32) }],
        ["check_in", { monitor_slug: "m", status: "ok", check_in_id: "0".repeat(32) }],
        ["user_report", { event_id: eventId, comments: "It broke", email: "ann@example.com" }],
        ["client_report", report],
      ],
      { projectId, eventId, attachments: [{ blob, name: "log.txt", bytes: 3, sha256: "ab" }] },
    );
    await handle(message, message);
    await handle(message);
    const { digest } = createTestDigest(stores, stored);
    await digest.handle([receivedEvent(errorPayload("checkout"), { projectId, eventId })], uninterrupted);
    expect(await checkIns()).toMatchObject([{ status: "ok", monitor_id: 1 }]);
    expect((await db().selectFrom("error_client_discards").selectAll().execute()).map((row) => row.quantity)).toEqual([
      4,
    ]);
    const [issue] = await db().selectFrom("error_issues").select("id").execute();
    const stand = { database: stores.database, clock: systemClock };
    const listed = await listFeedback(stand, projectId, issue?.id, 10, undefined);
    expect(listed.items).toMatchObject([{ message: "It broke", issue_id: issue?.id }]);
    const [monitor] = await listMonitors(stores.database, projectId);
    expect((await listCheckIns(stores.database, monitor?.id ?? 0, { limit: 10 })).items).toHaveLength(1);
    const { release, isNew } = await saveRelease(
      { ...stand, publisher: () => ({ publish: async () => {} }) },
      {
        project: { id: projectId, slug: "shop" },
        version: "shop@1.0",
        changes: { commits: [{ id: "0123abc" }] },
        actor: "tester",
      },
    );
    expect([release.commits, isNew]).toEqual(['[{"id":"0123abc"}]', false]);
    expect(await lastCommits(stores.database, projectId, ["shop@1.0", "none"])).toEqual(
      new Map([["shop@1.0", "0123abc"]]),
    );
    expect(await referredBlobs(stores.database, [blob, "other"])).toEqual(new Set([blob]));
    await requestDeletion({ ...stand, analytics: stored.analytics }, projectId, { kind: "event", eventId }, "tester");
    await runDeletions({ ...stand, analytics: stored.analytics });
    expect(await referredBlobs(stores.database, [blob])).toEqual(new Set());
    expect(await feedback()).toEqual([]);
    expect(await ledger()).toMatchObject({ "monitor stored": 2, "attachment stored": 1, "session stored": 1 });
  });
});
