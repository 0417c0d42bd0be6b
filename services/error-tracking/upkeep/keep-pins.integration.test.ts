import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Blobs, createFileBlobs } from "@signalbox/blobs";
import { silentLogger } from "@signalbox/kernel";
import { startClickHouseHttp } from "@signalbox/testing/servers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { changeIssues } from "../issues/change-issues.js";
import { findEvent, findEventInPlace, findIssueOfEvent, listEvents } from "../issues/find-events.js";
import { referredBlobs } from "../store/attachments.js";
import type { IssueTables } from "../store/tables.js";
import { uninterrupted } from "../testing/digest.js";
import { type DigestStage, useDigestStage } from "../testing/digest-stage.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { requestDeletion, runDeletions } from "./delete-data.js";
import type { DeletionKind } from "./hide-deleted.js";
import { keepPins } from "./keep-pins.js";
import { createUpkeep } from "./upkeep.js";
import { verify } from "./verify.js";

const dayMs = 86_400_000;
const stage = useDigestStage(startClickHouseHttp);
let stored: DigestStage["stored"];
let stores: DigestStage["stores"];
let clock: DigestStage["clock"];
let kit: DigestStage["kit"];
let projectId: number;
let blobs: Blobs;
let directory: string;
beforeEach(async () => {
  ({ stored, stores, clock, kit, projectId } = stage());
  directory = await mkdtemp(join(tmpdir(), "error-pins-"));
  blobs = await createFileBlobs({ directory });
});
afterEach(async () => {
  await blobs.close();
  await rm(directory, { recursive: true, force: true });
});

const all = () => ({ database: stores.database, analytics: stored.analytics, blobs, clock, groupingVersion: 1 });

const send = async (name: string, more: { user?: { id: string } } = {}): Promise<string> => {
  await clock.advanceBy(1000);
  const nowMs = clock.nowMs();
  const message = receivedEvent(errorPayload(name, { timestamp: nowMs / 1000, ...more }), {
    projectId,
    receivedAtMs: nowMs,
  });
  expect((await kit.digest.handle([message], uninterrupted)).failed).toEqual([]);
  return message.data.event_id;
};

const issueOf = async (name: string) => {
  const db = stores.database.as<IssueTables>();
  const issue = await db
    .selectFrom("error_issues")
    .selectAll()
    .where("project_id", "=", projectId)
    .where("title", "like", `%${name} failed%`)
    .executeTakeFirst();
  if (issue === undefined) throw new Error("there is no such issue");
  return issue;
};

/** As a resolved issue meets another event. */
const regress = async (name: string, more: { user?: { id: string } } = {}): Promise<string> => {
  const { id } = await issueOf(name);
  const publisher = () => ({ publish: async () => {} });
  const request = { projectId, issueIds: [id], change: { status: "resolved" as const }, actor: "ann" };
  await changeIssues({ database: stores.database, clock, publisher }, request);
  return send(name, more);
};

/** As when their time is over. */
const expireRows = async (): Promise<void> => {
  for (const table of ["error_events", "error_payloads"])
    await stored.analytics.command(`DELETE FROM ${table} WHERE project_id = {project:UInt64}`, {
      params: { project: projectId },
    });
};

const keptIds = async (name: string): Promise<string[]> => {
  const { items } = await listEvents(all(), await issueOf(name), "occurred_at_asc", 100, undefined);
  return items.map(({ eventId }) => eventId);
};

const keys = async (): Promise<string[]> => {
  const found: string[] = [];
  for await (const key of blobs.list("")) found.push(key);
  return found;
};

const remove = async (deletion: DeletionKind): Promise<void> => {
  await requestDeletion(all(), projectId, deletion, "tester");
};

test("ET-276 the first event of an issue and those that called it back are there when their rows are gone", async () => {
  const first = await send("a");
  const second = await send("a");
  const back = await regress("a");
  await send("a");
  expect(await keepPins(all())).toBe(2);
  expect(await keepPins(all())).toBe(0);
  const issue = await issueOf("a");
  const before = await listEvents(all(), issue, "occurred_at_asc", 100, undefined);
  expect(before.items).toHaveLength(4);
  const pinned = before.items.filter(({ eventId }) => [first, back].includes(eventId));
  await expireRows();
  expect((await listEvents(all(), issue, "occurred_at_asc", 100, undefined)).items).toEqual(pinned);
  expect(await findEvent(all(), issue, "oldest")).toEqual(pinned[0]);
  expect(await findEvent(all(), issue, "latest")).toEqual(pinned[1]);
  expect(await findEvent(all(), issue, { eventId: second })).toBeUndefined();
  expect((await findIssueOfEvent(all(), projectId, back))?.id).toBe(issue.id);
  expect(await findEventInPlace(all(), issue, { eventId: back })).toMatchObject({
    previousId: first,
    nextId: undefined,
  });
  const findings = await verify(all(), { projectId, sinceMs: clock.nowMs() - dayMs });
  expect(findings.openBy.blobs).toBe(0);
});

test("ET-276 pages go on from events with rows to those without, either way", async () => {
  const ids = [await send("a"), await regress("a"), await regress("a")];
  await keepPins(all());
  await expireRows();
  ids.push(await send("a"), await send("a"));
  const issue = await issueOf("a");
  for (const [sort, expected] of [
    ["occurred_at_asc", ids],
    ["occurred_at_desc", ids.toReversed()],
  ] as const) {
    const walked: string[] = [];
    let page = await listEvents(all(), issue, sort, 2, undefined);
    for (;;) {
      walked.push(...page.items.map(({ eventId }) => eventId));
      if (page.next === undefined) break;
      page = await listEvents(all(), issue, sort, 2, page.next);
    }
    expect(walked).toEqual(expected);
    const back = page.previous && (await listEvents(all(), issue, sort, 2, page.previous));
    expect(back?.items.map(({ eventId }) => eventId)).toEqual(expected.slice(2, 4));
  }
});

test("ET-276 of regressions the newest 20 are kept", async () => {
  const ids = [await send("a")];
  for (let index = 0; index < 22; index++) ids.push(await regress("a"));
  await keepPins(all());
  await expireRows();
  expect(await keptIds("a")).toEqual([ids[0], ...ids.slice(3)]);
  expect(await keys()).toHaveLength(21);
});

test("ET-276 a copy that two processes make is made once, and an event without rows is waited for a day", async () => {
  await send("a");
  await Promise.all([keepPins(all()), keepPins(all())]);
  expect(await keys()).toHaveLength(1);
  await send("b");
  await expireRows();
  const waiting = () =>
    stores.database.as<IssueTables>().selectFrom("error_pins").selectAll().where("blob", "is", null);
  await keepPins(all());
  expect(await waiting().execute()).toHaveLength(1);
  await clock.advanceBy(dayMs + 1);
  await keepPins(all());
  expect(await waiting().execute()).toEqual([]);
  expect(await keys()).toHaveLength(1);
});

test("ET-276 ET-380 what is kept goes with its event, its issue, its user and its project, and is hidden at once", async () => {
  const ann = { user: { id: "ann" } };
  const first = await send("a", ann);
  const back = await regress("a");
  await send("b");
  await send("c", ann);
  await keepPins(all());
  await expireRows();
  expect(await keptIds("a")).toEqual([first, back]);

  await remove({ kind: "user", id: "ann" });
  expect(await keptIds("a")).toEqual([back]);
  expect(await keptIds("c")).toEqual([]);
  await runDeletions(all());
  expect(await keys()).toHaveLength(2);

  await remove({ kind: "event", eventId: back });
  expect(await keptIds("a")).toEqual([]);
  await runDeletions(all());
  expect(await keys()).toHaveLength(1);

  await remove({ kind: "issue", issueId: (await issueOf("b")).id, discard: false });
  await runDeletions(all());
  expect(await keys()).toEqual([]);

  await send("d");
  await keepPins(all());
  const left = await keys();
  expect([...(await referredBlobs(stores.database, left))]).toEqual(left);
  await remove({ kind: "project" });
  await runDeletions(all());
  expect(await keys()).toEqual([]);
});

test("ET-276 ET-381 bytes of a kept event that are gone are found", async () => {
  await send("a");
  await keepPins(all());
  for (const key of await keys()) await blobs.delete(key);
  await clock.advanceBy(600_000);
  const { findings } = await verify(all(), { projectId, sinceMs: clock.nowMs() - dayMs });
  expect(findings.filter(({ check }) => check === "blobs")).toHaveLength(1);
});

test("ET-276 the upkeep copies what is to be kept", async () => {
  await send("a");
  const upkeep = createUpkeep({
    ...all(),
    logger: silentLogger,
    defaults: { retentionDays: 90, groupingVersion: 1 },
    publisher: () => ({ publish: async () => {} }),
  });
  await upkeep.start();
  await clock.advanceBy(60_000);
  await expect.poll(keys, { timeout: 30_000 }).toHaveLength(1);
  await upkeep.stop();
});
