import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileBlobs } from "@signalbox/blobs";
import { systemClock } from "@signalbox/kernel";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { dashed } from "../digest/user-counts.js";
import type { IssueTables } from "../store/tables.js";
import { createTestDigest, uninterrupted } from "../testing/digest.js";
import { errorPayload, newEventId, receivedEvent } from "../testing/received-event.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics, type TestDatabase } from "../testing/stores.js";
import { verify } from "./verify.js";

let engine: ClickHouseHttpServer;
let stored: TestAnalytics;
let stores: TestDatabase;
let projectId = 0;
let eventIds: string[] = [];

beforeAll(async () => {
  engine = await startClickHouseHttp();
  stored = await openTestAnalytics(engine.url);
});
afterAll(async () => {
  await stored?.close();
  await engine?.stop();
});
const receivedAtMs = Date.now() - 10 * 60_000;

beforeEach(async () => {
  stores = await openTestDatabase();
  for (const nextId = projectId + 1; projectId < nextId; ) ({ id: projectId } = await stores.projects.create("Shop"));
  eventIds = Array.from({ length: 6 }, newEventId);
  const events = eventIds.map((eventId, index) =>
    receivedEvent(errorPayload(index % 2 === 0 ? "a" : "b", { timestamp: receivedAtMs / 1000, user: { id: index } }), {
      projectId,
      eventId,
      receivedAtMs,
    }),
  );
  const { digest } = createTestDigest(stores, stored);
  expect((await digest.handle(events, uninterrupted)).failed).toEqual([]);
});
afterEach(() => stores.close());

const run = (repair = false) =>
  verify(
    { database: stores.database, analytics: stored.analytics, clock: systemClock, groupingVersion: 1 },
    { projectId, sinceMs: Date.now() - 2 * 3_600_000, repair },
  );
const found = async (repair = false) =>
  (await run(repair)).findings.map(({ check, repaired }) => `${check}${repaired ? " repaired" : ""}`);
const sql = (text: string, ...values: (string | number)[]) => stores.database.run(text, values);
const forgetRow = (table: string) =>
  stored.analytics.command(`DELETE FROM ${table} WHERE project_id = {project:UInt64} AND event_id = {event:UUID}`, {
    params: { project: projectId, event: dashed(eventIds[0] ?? "") },
  });

test("what was stored in order has no finding, and everything was looked at", async () => {
  expect(await run()).toEqual({
    checked: {
      ledger: 2,
      rows: 6,
      hours: expect.any(Number),
      issues: 2,
      owners: 2,
      unfinished: 0,
      blobs: 0,
      pending: 0,
    },
    findings: [],
    total: 0,
    open: 0,
    openBy: { ledger: 0, rows: 0, hours: 0, issues: 0, owners: 0, unfinished: 0, blobs: 0, pending: 0 },
  });
});

test("bytes of attachments that are missing are found", async () => {
  const directory = await mkdtemp(join(tmpdir(), "verify-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const blobs = await createFileBlobs({ directory });
  onTestFinished(() => blobs.close());
  const whole = await blobs.put(Buffer.from("whole"));
  for (const [index, [key, bytes]] of [
    [whole.key, 5],
    ["gone", 7],
  ].entries())
    await sql(
      `insert into error_attachments (project_id, event_id, blob, name, bytes, sha256, received_at_ms)
      values (?, ?, ?, 'a', ?, '', ?)`,
      projectId,
      eventIds[index] ?? "",
      key ?? "",
      bytes ?? 0,
      Date.now() - 3_600_000,
    );
  const report = await verify(
    { database: stores.database, analytics: stored.analytics, blobs, clock: systemClock, groupingVersion: 1 },
    { projectId, sinceMs: Date.now() - 2 * 3_600_000 },
  );
  expect(report.checked.blobs).toBe(2);
  expect(report.findings).toEqual([
    {
      check: "blobs",
      projectId,
      subject: eventIds[1],
      message: "The 7 bytes of the attachment are gone",
      repaired: false,
    },
  ]);
});

test("ET-119 an event that is counted and not in the ledger is found, and a cell that does not balance", async () => {
  await sql("update error_ledger set quantity = quantity - 1 where project_id = ?", projectId);
  expect(await run()).toMatchObject({ findings: [{ check: "ledger", message: expect.stringContaining("6 events") }] });
  await sql("update error_ledger set quantity = quantity + 2 where project_id = ? and outcome = 'stored'", projectId);
  expect(await run()).toMatchObject({ findings: [{ check: "ledger", message: expect.stringContaining("5 items") }] });
});

test("a row that is missing is found, and made from the payload", async () => {
  await forgetRow("error_events");
  expect(await run()).toMatchObject({
    findings: [
      { check: "rows", subject: eventIds[0], message: "The event has 0 rows and 1 payloads", repaired: false },
    ],
    open: 1,
  });
  const columns =
    "primary_hash, timestamp, title, culprit, exception_types, stack_functions, user_hash, tag_keys, user_id";
  const [before] = await stored.analytics.query(
    `SELECT ${columns} FROM error_events FINAL WHERE project_id = {project:UInt64} AND event_id = {event:UUID}`,
    { project: projectId, event: dashed(eventIds[2] ?? "") },
  );
  expect(await found(true)).toEqual(["rows repaired"]);
  expect(await found()).toEqual([]);
  const [after] = await stored.analytics.query(
    `SELECT ${columns} FROM error_events FINAL WHERE project_id = {project:UInt64} AND event_id = {event:UUID}`,
    { project: projectId, event: dashed(eventIds[0] ?? "") },
  );
  const same = { user_hash: "", user_id: "" };
  expect({ ...after, ...same }).toEqual({ ...before, ...same });
});

test("a payload that is missing is found and cannot be repaired", async () => {
  await forgetRow("error_payloads");
  expect(await found(true)).toEqual(["rows"]);
});

test("counters that are wrong are found, and set right", async () => {
  await sql("update error_hash_hours set events = events + 1 where project_id = ?", projectId);
  await sql("update error_issues set event_count = event_count - 1 where project_id = ?", projectId);
  const kinds = new Set(await found(true));
  expect([...kinds].sort()).toEqual(expect.arrayContaining(["issues repaired"]));
  const issues = await stores.database
    .as<IssueTables>()
    .selectFrom("error_issues")
    .select("event_count")
    .where("project_id", "=", projectId)
    .execute();
  expect(issues.map((issue) => issue.event_count)).toEqual([3, 3]);
  expect((await run()).open).toBe(0);
});

test("hours of which all events are known are compared with these", async () => {
  const sinceMs = receivedAtMs - 24 * 3_600_000;
  const dependencies = {
    database: stores.database,
    analytics: stored.analytics,
    clock: systemClock,
    groupingVersion: 1,
  };
  expect(await verify(dependencies, { projectId, sinceMs })).toMatchObject({ checked: { hours: 2 }, total: 0 });
  await sql("update error_hash_hours set events = 7 where project_id = ?", projectId);
  expect(await verify(dependencies, { projectId, sinceMs, repair: true })).toMatchObject({
    findings: [
      { check: "hours", message: "7 events are counted and 3 are known", repaired: true },
      { check: "hours", repaired: true },
    ],
    open: 0,
  });
  expect(await verify(dependencies, { projectId, sinceMs })).toMatchObject({ total: 0 });
});

test("a ledger that does not balance, rows without an owner and events that got stuck are found", async () => {
  await sql("update error_ledger set quantity = quantity + 2 where project_id = ? and outcome = 'received'", projectId);
  expect(await found()).toEqual(["ledger"]);
  await sql("update error_ledger set quantity = 6 where project_id = ?", projectId);
  await sql(
    "update error_event_ids set state = 'counted', received_at_ms = received_at_ms - 5400000 where event_id = ?",
    eventIds[0] ?? "",
  );
  // Whether the hour that it seems to be of is looked at, is a matter of the time of day.
  expect(await found()).toContain("unfinished");
  await sql("delete from error_hashes where project_id = ?", projectId);
  expect(await found()).toEqual(expect.arrayContaining(["issues", "owners"]));
});
