import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import type { Transaction } from "kysely";
import { userHashOf } from "../digest/prepare-event.js";
import { dashed } from "../digest/user-counts.js";
import { namesUser, type RowCondition, type UserNames } from "../issues/hidden-events.js";
import { recountUsers } from "../issues/merge-issues.js";
import type { ProjectTables } from "../migrations/projects-migration.js";
import { removeAttachments } from "../store/attachments.js";
import { lockProjects } from "../store/counters.js";
import { overRows, runOverRows } from "../store/json-rows.js";
import { blobsOf, removePins } from "../store/pins.js";
import type { IssueTables } from "../store/tables.js";
import { hideIssue, type Subject } from "./hide-deleted.js";
import { removePinsOfUser } from "./keep-pins.js";
import { beforeAll, maxAtOnce, plain, type RemovalStores, removeBlobs, removeEvents } from "./remove-events.js";

// What a deletion takes out of the analytics store and out of the blobs, each function with how much it was.

const tables = ["error_events", "error_payloads", "error_users", "error_sessions"] as const;

export async function removeProjectRows(
  dependencies: RemovalStores,
  projectId: number,
): Promise<Record<string, number>> {
  const { analytics, database } = dependencies;
  const params = { project: projectId };
  const counts = await countRows(dependencies, "project_id = {project:UInt64}", params);
  for (const table of tables)
    await analytics.command(`DELETE FROM ${table} WHERE project_id = {project:UInt64}`, { params });
  const attachments = await database.run<{ blob: string }>(
    "delete from error_attachments where project_id = ? returning blob",
    [projectId],
  );
  const pinned = await database.run<{ blob: string | null }>(
    "delete from error_pins where project_id = ? returning blob",
    [projectId],
  );
  await removeBlobs(dependencies, blobsOf(pinned.rows));
  return { ...counts, attachments: await removeBlobs(dependencies, blobsOf(attachments.rows)) };
}

export async function removeEvent(
  dependencies: RemovalStores,
  projectId: number,
  eventId: string,
  hidden: readonly string[],
): Promise<Record<string, number>> {
  const condition = { sql: "event_id = {event:UUID}", params: { event: dashed(eventId) } };
  const { events, attachments, feedback } = await removeEvents(dependencies, projectId, condition);
  // An event that never came may have attachments all the same, and some that came after it was hidden.
  const late = await removeAttachments(dependencies.database, [{ projectId, eventId }]);
  const pinned = await removePins(dependencies.database, [{ projectId, eventId }]);
  await removeBlobs(dependencies, [...hidden, ...late, ...pinned]);
  return { events, attachments: attachments + late.length, feedback };
}

export async function removeUser(
  dependencies: RemovalStores,
  projectId: number,
  user: UserNames,
  untilMs: number,
): Promise<Record<string, number>> {
  const { database } = dependencies;
  const named = namesUser(user);
  const condition: RowCondition = {
    sql: `received_at <= {until:DateTime64(3, 'UTC')} AND ${named.sql}`,
    params: { ...named.params, until: new Date(untilMs).toISOString() },
  };
  const { emptied, ...removed } = await removeEvents(dependencies, projectId, condition);
  await removePinsOfUser(dependencies, projectId, user, untilMs);
  // What an issue is called was taken from its events.
  for (const issueId of emptied) {
    const { hashes = [], blobs = [] } = await database.transaction(
      async (transaction: Transaction<IssueTables & ProjectTables>): Promise<Subject> => {
        await lockProjects(database, [projectId], transaction);
        const grown = await transaction
          .selectFrom("error_issues")
          .select("id")
          .where("id", "=", issueId)
          .where("event_count", ">", 0)
          .executeTakeFirst();
        if (grown !== undefined) return {};
        const { subject } = await hideIssue(transaction, projectId, { issueId, discard: false }, "", 0);
        return subject;
      },
    );
    await removeBlobs(dependencies, blobs);
    await removeHashes(dependencies, projectId, hashes, untilMs);
  }
  return { ...removed, issues: emptied.length, sessions: await removeSessions(dependencies, projectId, user) };
}

/** Sessions know a user by a hash alone. */
async function removeSessions(dependencies: RemovalStores, projectId: number, user: UserNames): Promise<number> {
  const { analytics } = dependencies;
  const hashes = [user.id, user.email, user.address].flatMap((name) =>
    name ? BigInt(userHashOf({ id: name }) ?? 0) : [],
  );
  const params = { project: projectId, hashes, oldest: beforeAll(dependencies).slice(0, 19) };
  const condition = `project_id = {project:UInt64} AND user_hash IN {hashes:Array(UInt64)}
    AND started_hour >= {oldest:DateTime('UTC')}`;
  const [found] = await analytics.query<{ n: string }>(
    `SELECT count() AS n FROM error_sessions FINAL WHERE ${condition}`,
    params,
  );
  if (Number(found?.n) > 0) await analytics.command(`DELETE FROM error_sessions WHERE ${condition}`, { params });
  return Number(found?.n);
}

/** Attachments of those of a project's events whose rows meet the condition. */
async function removeAttachmentsOfRows(
  dependencies: RemovalStores,
  projectId: number,
  condition: string,
  params: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { analytics, database } = dependencies;
  let removed = 0;
  let after = "";
  for (;;) {
    const { rows } = await database.run<{ event_id: string }>(
      `select distinct event_id from error_attachments where project_id = ? and event_id > ?
      order by event_id limit ${maxAtOnce}`,
      [projectId, after],
    );
    const last = rows.at(-1);
    if (last === undefined) return removed;
    after = last.event_id;
    const found = await analytics.query<{ event_id: string }>(
      `SELECT DISTINCT event_id FROM error_events
      WHERE ${condition} AND event_id IN {events:Array(UUID)} AND timestamp >= {oldest:DateTime64(3, 'UTC')}`,
      { ...params, events: rows.map((row) => dashed(row.event_id)), oldest: beforeAll(dependencies) },
    );
    const events = found.map((row) => ({ projectId, eventId: plain(row.event_id) }));
    removed += await removeBlobs(dependencies, await removeAttachments(database, events));
  }
}

/** Rows of events that were received up to a moment: what came later is a new issue's, whose hashes may be the same. */
export async function removeHashes(
  dependencies: RemovalStores,
  projectId: number,
  hashes: readonly string[],
  untilMs: number,
): Promise<Record<string, number>> {
  const { analytics } = dependencies;
  if (hashes.length === 0) return {};
  const params = { project: projectId, hashes: hashes.map(dashed), until: new Date(untilMs).toISOString() };
  const ofHashes = "project_id = {project:UInt64} AND primary_hash IN {hashes:Array(UUID)}";
  const condition = `${ofHashes} AND received_at <= {until:DateTime64(3, 'UTC')}`;
  const counts = await countRows(dependencies, condition, params);
  const attachments = await removeAttachmentsOfRows(dependencies, projectId, condition, params);
  await analytics.command(
    `DELETE FROM error_payloads WHERE project_id = {project:UInt64} AND event_id IN
      (SELECT event_id FROM error_events WHERE ${condition})`,
    { params },
  );
  await analytics.command(`DELETE FROM error_events WHERE ${condition}`, { params });
  await analytics.command(`DELETE FROM error_users WHERE ${ofHashes}`, { params });
  // Sets of users do not tell who came when: those of the events that stay are made anew.
  await analytics.command(
    `INSERT INTO error_user_sightings (project_id, primary_hash, day, user_hash)
    SELECT project_id, primary_hash, toDate(timestamp), user_hash FROM error_events
    WHERE ${ofHashes} AND timestamp >= {oldest:DateTime64(3, 'UTC')} AND user_hash <> 0`,
    { params: { ...params, oldest: beforeAll(dependencies) } },
  );
  await recountUsers(dependencies, await ownersOf(dependencies.database, projectId, hashes));
  return { ...counts, attachments };
}

/** Issues that have some of the hashes now. */
async function ownersOf(database: Database, projectId: number, hashes: readonly string[]): Promise<number[]> {
  const owners = await runOverRows<{ issue_id: number }>(
    database,
    owned,
    hashes.map((hash) => [projectId, hash]),
  );
  return owners.map((row) => Number(row.issue_id));
}

const owned = overRows(`
  select distinct known.issue_id from $rows
  join error_hashes as known on known.project_id = $int(0) and known.hash = $1`);

async function countRows(
  dependencies: RemovalStores,
  condition: string,
  params: Readonly<Record<string, unknown>>,
): Promise<Record<string, number>> {
  const [row] = await dependencies.analytics.query<{ n: string }>(
    `SELECT count() AS n FROM error_events FINAL
    WHERE ${condition} AND timestamp >= {oldest:DateTime64(3, 'UTC')}`,
    { ...params, oldest: beforeAll(dependencies) },
  );
  return { events: Number(row?.n) };
}

/** Rewrites parts that hold deleted rows, so that they are gone from disk. */
export async function purgeDeleted(analytics: Analytics): Promise<void> {
  for (const table of tables)
    await analytics.command(`ALTER TABLE ${table} APPLY DELETED MASK`, { maxExecutionSeconds: 3600 });
}
