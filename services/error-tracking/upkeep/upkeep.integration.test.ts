import { silentLogger } from "@signalbox/kernel";
import { startClickHouseHttp } from "@signalbox/testing/servers";
import { beforeEach, expect, test } from "vitest";
import { moveByTime } from "../digest/time-moves.js";
import { changeIssues, type IssueChange } from "../issues/change-issues.js";
import { listEvents } from "../issues/find-events.js";
import { mergeIssues } from "../issues/merge-issues.js";
import { updateSettings } from "../projects/project-settings.js";
import type { IssueTables } from "../store/tables.js";
import { uninterrupted } from "../testing/digest.js";
import { type DigestStage, useDigestStage } from "../testing/digest-stage.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { removeExpired } from "./retention.js";
import { createUpkeep, isDue } from "./upkeep.js";

const dayMs = 86_400_000;
const stage = useDigestStage(startClickHouseHttp);
let stored: DigestStage["stored"];
let stores: DigestStage["stores"];
let clock: DigestStage["clock"];
let kit: DigestStage["kit"];
let projectId: number;
beforeEach(() => {
  ({ stored, stores, clock, kit, projectId } = stage());
});

const options = () => ({
  database: stores.database,
  analytics: stored.analytics,
  clock,
  logger: silentLogger,
  defaults: { retentionDays: 90, groupingVersion: 1 },
  publisher: () => ({
    publish: async ({ type, correlationId, data }: { type: string; correlationId: string; data: unknown }) =>
      void kit.published.push({ type, correlationId, data }),
  }),
});

const send = async (name: string, timeMs = clock.nowMs()): Promise<void> => {
  const message = receivedEvent(errorPayload(name, { timestamp: timeMs / 1000 }), {
    projectId,
    receivedAtMs: clock.nowMs(),
  });
  expect((await kit.digest.handle([message], uninterrupted)).failed).toEqual([]);
};

const issues = () => stores.database.as<IssueTables>().selectFrom("error_issues").selectAll().orderBy("id").execute();
const state = async (): Promise<string> => {
  const [issue] = await issues();
  return `${issue?.status} ${issue?.substatus}`;
};
const change = async (to: IssueChange): Promise<void> => {
  const [issue] = await issues();
  await changeIssues(options(), { projectId, issueIds: [issue?.id ?? 0], change: to, actor: "ann" });
};
const announced = () => kit.published.map(({ type }) => type.replace("error_tracking.issue_", ""));

test("ET-231 what is new or back is ongoing after seven days", async () => {
  await send("a");
  await clock.advanceBy(7 * dayMs - 1000);
  await moveByTime(options());
  expect(await state()).toBe("unresolved new");
  await clock.advanceBy(1000);
  await moveByTime(options());
  expect(await state()).toBe("unresolved ongoing");
  await change({ status: "resolved" });
  await clock.advanceBy(1000);
  await send("a");
  expect(await state()).toBe("unresolved regressed");
  await clock.advanceBy(7 * dayMs);
  await moveByTime(options());
  expect(await state()).toBe("unresolved ongoing");
});

test("ET-235 ignoring ends at its time, once, however many processes look", async () => {
  await send("a");
  await change({ status: "ignored", ignoreUntil: { untilMs: clock.nowMs() + dayMs } });
  await moveByTime(options());
  expect(await state()).toBe("ignored ongoing");
  await clock.advanceBy(dayMs);
  await Promise.all([moveByTime(options()), moveByTime(options()), moveByTime(options())]);
  expect(await state()).toBe("unresolved ongoing");
  expect(announced()).toEqual(["created", "ignored", "unmuted"]);
});

test("ET-235 ET-223 nothing is told of an issue that was merged into another while it was ignored", async () => {
  await send("a");
  await send("b");
  const [a, b] = (await issues()).map(({ id }) => id);
  const until = { status: "ignored", ignoreUntil: { untilMs: clock.nowMs() + dayMs } } as const;
  await changeIssues(options(), { projectId, issueIds: [b ?? 0], change: until, actor: "ann" });
  await mergeIssues(
    { ...options(), analytics: stored.analytics },
    { projectId, issueIds: [a ?? 0, b ?? 0], actor: "ann" },
  );
  await clock.advanceBy(dayMs);
  await moveByTime(options());
  expect(announced()).toEqual(["created", "created", "ignored", "merged"]);
});

test("ET-237 issues that were not heard of for some days are resolved where the project says so", async () => {
  await send("a");
  await clock.advanceBy(5 * dayMs);
  await moveByTime(options());
  expect(await state()).toBe("unresolved new");
  await updateSettings(stores.database, projectId, { autoResolveDays: 3 });
  await Promise.all([moveByTime(options()), moveByTime(options())]);
  expect(await state()).toBe("resolved ongoing");
  expect(announced()).toEqual(["created", "resolved"]);
});

const rows = async (table: string): Promise<number> => {
  const [row] = await stored.analytics.query<{ n: string }>(
    `SELECT count() AS n FROM ${table} FINAL WHERE project_id = {project:UInt64}`,
    { project: projectId },
  );
  return Number(row?.n);
};

test("a lower retention removes older rows and their counters; a higher one is for new rows", async () => {
  await send("a", clock.nowMs() - 20 * dayMs);
  await send("a");
  await removeExpired(options());
  expect([await rows("error_events"), await rows("error_payloads")]).toEqual([2, 2]);
  await updateSettings(stores.database, projectId, { retentionDays: 14 });
  const [issue] = await issues();
  if (issue === undefined) throw new Error("There is no issue.");
  // Hidden at once, and gone a little later.
  expect((await listEvents(options(), issue, "occurred_at_asc", 10, undefined)).items).toHaveLength(1);
  await removeExpired(options());
  await removeExpired(options());
  expect([await rows("error_events"), await rows("error_payloads")]).toEqual([1, 1]);
  const hours = await stores.database.as<IssueTables>().selectFrom("error_hash_hours").selectAll().execute();
  expect(hours).toHaveLength(1);
  await updateSettings(stores.database, projectId, { retentionDays: 30 });
  await send("b");
  const days = await stored.analytics.query<{ retention_days: number }>(
    "SELECT DISTINCT retention_days FROM error_events WHERE project_id = {project:UInt64} ORDER BY 1",
    { project: projectId },
  );
  expect(days.map((row) => row.retention_days)).toEqual([30, 90]);
});

test("partitions whose rows have all expired are dropped", async () => {
  await send("a");
  await clock.advanceBy(96 * dayMs);
  await removeExpired(options());
  await clock.advanceBy(2 * dayMs);
  await removeExpired(options());
  expect([await rows("error_events"), await rows("error_payloads")]).toEqual([0, 0]);
});

test("daily work is due for one process a day", async () => {
  const due = () => Promise.all([1, 2, 3].map(() => isDue(stores.database, "retention", clock.nowMs(), dayMs)));
  expect((await due()).filter(Boolean)).toHaveLength(1);
  await clock.advanceBy(dayMs - 1);
  expect((await due()).filter(Boolean)).toHaveLength(0);
  await clock.advanceBy(1);
  expect((await due()).filter(Boolean)).toHaveLength(1);
});

test("upkeep does all of it by itself, and stops while it is at it", async () => {
  await send("a");
  await change({ status: "ignored", ignoreUntil: { untilMs: clock.nowMs() + 1000 } });
  const upkeep = createUpkeep(options());
  await upkeep.start();
  await clock.advanceBy(61_000);
  await expect.poll(state).toBe("unresolved ongoing");
  await upkeep.stop();
});
