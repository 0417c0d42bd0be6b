import { silentLogger } from "@signalbox/kernel";
import type { JsonObject } from "@signalbox/sentry-protocol";
import { startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { changeIssues } from "../issues/change-issues.js";
import { listHashes } from "../issues/issue-notes.js";
import { pinGrouping, readSettings, updateSettings } from "../projects/project-settings.js";
import { createProjects } from "../projects/projects.js";
import type { IssueTables } from "../store/tables.js";
import { createTestDigest, uninterrupted } from "../testing/digest.js";
import { type DigestStage, useDigestStage } from "../testing/digest-stage.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { requestDeletion } from "../upkeep/delete-data.js";
import { createUpkeep } from "../upkeep/upkeep.js";
import { type GroupingAlgorithm, groupingVersions } from "./group-event.js";
import { hashTokens } from "./v1/component.js";
import { groupV1 } from "./v1/group.js";

/** An algorithm that is to come: tells apart what the first one takes for the same, by the level. */
const groupV2: GroupingAlgorithm = (event, rules) => {
  const found = groupV1(event, rules);
  const hashes = found.hashes.map((one) => ({ ...one, hash: hashTokens(["v2", one.hash, event.level]) }));
  return { ...found, version: 2, hashes };
};

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

beforeAll(() => void groupingVersions.set(2, groupV2));
afterAll(() => void groupingVersions.delete(2));

const dependencies = () => ({
  database: stores.database,
  analytics: stored.analytics,
  clock,
  logger: silentLogger,
  defaults: { retentionDays: 90, groupingVersion: 2 },
  publisher: () => ({ publish: async () => {} }),
});

/** Resolves with the number of the event's issue. */
const send = async (name: string, level = "error", project = projectId): Promise<number | undefined> => {
  await clock.advanceBy(1000);
  const message = receivedEvent({ ...errorPayload(name), level } satisfies JsonObject, {
    projectId: project,
    receivedAtMs: clock.nowMs(),
  });
  const { failed } = await kit.digest.handle([message], uninterrupted);
  if (failed[0]) throw failed[0].error;
  const { rows } = await stores.database.run<{ issue_id: number }>(
    `select owned.issue_id from error_event_ids as known
    join error_hashes as owned on owned.project_id = known.project_id and owned.hash = known.primary_hash
    where known.event_id = ?`,
    [message.data.event_id],
  );
  return rows[0]?.issue_id;
};

const pin = async (version: number): Promise<void> => {
  const before = await readSettings(stores.database, projectId);
  await updateSettings(stores.database, projectId, pinGrouping(before, version, clock.nowMs()));
};

const announced = () => kit.published.map(({ type }) => type.replace("error_tracking.issue_", ""));
const versionsOf = async (issueId: number | undefined) =>
  (await listHashes(stores.database, issueId ?? 0)).map(({ version }) => version);

test("ET-210 after a change of the algorithm no issue splits and nobody is alarmed", async () => {
  const [pay, ship] = [await send("pay"), await send("ship")];
  expect(announced()).toEqual(["created", "created"]);
  await pin(2);
  // Two kinds by the new algorithm, one issue by the old one.
  expect([await send("pay"), await send("pay", "warning"), await send("ship")]).toEqual([pay, pay, ship]);
  expect(announced()).toEqual(["created", "created"]);
  expect(await versionsOf(pay)).toEqual([1, 2, 2]);
  const [issue] = await stores.database.as<IssueTables>().selectFrom("error_issues").selectAll().execute();
  expect(issue?.event_count).toBe(3);
  // What is known by its new hash is found without the old one.
  await stores.database.run("delete from error_hashes where version = 1 and project_id = ?", [projectId]);
  expect(await send("pay", "warning")).toBe(pay);
});

test("ET-210 what the new algorithm tells apart from the start are issues of their own", async () => {
  await send("pay");
  await pin(2);
  const loud = await send("ship");
  const quiet = await send("ship", "info");
  expect(quiet).not.toBe(loud);
  expect(await versionsOf(loud)).toEqual([2]);
  expect(announced()).toEqual(["created", "created", "created"]);
});

test("ET-210 what was resolved comes back as itself, and what was discarded stays away", async () => {
  const [pay, ship] = [await send("pay"), await send("ship")];
  const change = { status: "resolved" as const };
  await changeIssues(dependencies(), { projectId, issueIds: [pay ?? 0], change, actor: "ann" });
  await requestDeletion(dependencies(), projectId, { kind: "issue", issueId: ship ?? 0, discard: true }, "ann");
  await pin(2);
  expect(await send("pay")).toBe(pay);
  expect(announced().at(-1)).toBe("regressed");
  expect(await send("ship")).toBeUndefined();
  // Also when the old algorithm is not asked any more.
  await updateSettings(stores.database, projectId, { formerGrouping: undefined });
  expect(await send("ship")).toBeUndefined();
});

test("ET-210 for thirty days, and not any longer", async () => {
  const pay = await send("pay");
  await pin(2);
  const upkeep = createUpkeep({ ...dependencies(), groupingTransitionMs: 30 * dayMs });
  await upkeep.start();
  const former = async () => (await readSettings(stores.database, projectId)).formerGrouping?.version;
  await clock.advanceBy(30 * dayMs - 120_000);
  expect(await former()).toBe(1);
  expect(await send("pay", "warning")).toBe(pay);
  const aMinuteLater = async () => {
    await clock.advanceBy(60_000);
    return former();
  };
  await expect.poll(aMinuteLater).toBeUndefined();
  await upkeep.stop();
  // Known by its own hash, and unknown by a new one.
  expect(await send("pay", "warning")).toBe(pay);
  expect(await send("pay", "info")).not.toBe(pay);
  expect(await send("pay")).not.toBe(pay);
});

test("ET-210 a newer default is for new projects alone", async () => {
  const { database } = stores;
  const projects = createProjects({ database, clock, serverUrl: () => "http://localhost", groupingVersion: 2 });
  const { id } = await projects.create("New");
  const versions = async (project: number) => {
    const issue = await send("pay", "error", project);
    return versionsOf(issue);
  };
  kit = createTestDigest(stores, stored, { clock, groupingVersion: 2 });
  expect(await versions(id)).toEqual([2]);
  expect(await versions(projectId)).toEqual([1]);
});
