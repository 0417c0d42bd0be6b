import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import type { DeadLetters } from "@signalbox/event-store";
import type { Clock } from "@signalbox/kernel";
import { type Selectable, sql, type Transaction } from "kysely";
import { userHashOf } from "../digest/prepare-event.js";
import { dashed } from "../digest/user-counts.js";
import { namesUser, type RowCondition, type UserNames } from "../issues/hidden-events.js";
import { recountUsers } from "../issues/merge-issues.js";
import { ReadError } from "../issues/read-errors.js";
import type { ProjectTables } from "../migrations/projects-migration.js";
import { removeAttachments } from "../store/attachments.js";
import { lockProjects } from "../store/counters.js";
import { overRows, runOverRows } from "../store/json-rows.js";
import { blobsOf, removePins } from "../store/pins.js";
import type { IssueTables } from "../store/tables.js";
import { eraseLetters, type LetterSubject } from "./erase-letters.js";
import { removePinsOfUser } from "./keep-pins.js";
import { beforeAll, maxAtOnce, plain, type RemovalStores, removeBlobs, removeEvents } from "./remove-events.js";

/** What is to go. */
export type DeletionKind =
  | { readonly kind: "event"; readonly eventId: string }
  | { readonly kind: "issue"; readonly issueId: number; readonly discard: boolean }
  | { readonly kind: "project" }
  /** Everything that names this user by any of them. */
  | ({ readonly kind: "user" } & UserNames);

export interface DeletionDependencies extends RemovalStores {
  /** What could not be stored. */
  readonly letters?: (() => Pick<DeadLetters, "list" | "forget">) | undefined;
  readonly clock: Clock;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whether messages are handled as they come. While they are not, something that is to go may still be in the queue. */
  readonly isCalm?: (() => Promise<boolean>) | undefined;
}

/** What a job has to do, and what it did. */
export interface DeletionJob {
  readonly id: number;
  readonly projectId: number;
  readonly kind: DeletionKind["kind"];
  readonly state: "pending" | "done";
  readonly counts: Readonly<Record<string, number>>;
}

interface Subject {
  readonly hashes?: readonly string[];
  readonly eventId?: string;
  readonly user?: UserNames;
  /** Attachments and kept events that nothing refers to any more. */
  readonly blobs?: readonly string[];
}

/** Removals are done again after this time: what was in the queue or being written at the first one goes then, too. */
const againMs = 3_600_000;
const leaseMs = 600_000;

/**
 * Hides what is to go at once and leaves the rest to a job, whose id this resolves with. Totals of the ledger stay.
 * @throws {ReadError} `ET_ISSUE_NOT_FOUND`
 */
export async function requestDeletion(
  { database, clock }: DeletionDependencies,
  projectId: number,
  deletion: DeletionKind,
  actor: string,
): Promise<number> {
  return database.transaction(async (transaction: Transaction<IssueTables & ProjectTables>) => {
    await lockProjects(database, [projectId], transaction);
    const nowMs = clock.nowMs();
    const { subject, counts } = await hide(transaction, projectId, deletion, actor, nowMs);
    const job = await transaction
      .insertInto("error_deletions")
      .values({
        project_id: projectId,
        kind: deletion.kind,
        subject: JSON.stringify(subject),
        actor,
        state: "pending",
        counts: JSON.stringify(counts),
        requested_at_ms: nowMs,
        next_run_at_ms: nowMs,
        runs: 0,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    database.notify(deletionsChannel);
    return job.id;
  });
}

export const deletionsChannel = "error_deletions";

async function hide(
  transaction: Transaction<IssueTables & ProjectTables>,
  projectId: number,
  deletion: DeletionKind,
  actor: string,
  nowMs: number,
): Promise<{ subject: Subject; counts: Record<string, number> }> {
  if (deletion.kind === "event") return hideEvent(transaction, projectId, deletion.eventId);
  if (deletion.kind === "user") {
    const { id, email, address } = deletion;
    return { subject: { user: { id, email, address } }, counts: await hideFeedback(transaction, projectId, email) };
  }
  if (deletion.kind === "project") return { subject: {}, counts: await removeProject(transaction, projectId) };
  return hideIssue(transaction, projectId, deletion, actor, nowMs);
}

/** Rows of an event are left out of everything while its deletion is on the way; what SQL has of it goes now. */
async function hideEvent(
  transaction: Transaction<IssueTables>,
  projectId: number,
  eventId: string,
): Promise<{ subject: Subject; counts: Record<string, number> }> {
  const attached = await transaction
    .deleteFrom("error_attachments")
    .where("project_id", "=", projectId)
    .where("event_id", "=", eventId)
    .returning("blob")
    .execute();
  const pinned = await transaction
    .deleteFrom("error_pins")
    .where("project_id", "=", projectId)
    .where("event_id", "=", eventId)
    .returning("blob")
    .execute();
  const { numDeletedRows } = await transaction
    .deleteFrom("error_feedback")
    .where("project_id", "=", projectId)
    .where("event_id", "=", eventId)
    .executeTakeFirst();
  const subject = { eventId, blobs: blobsOf([...attached, ...pinned]) };
  return { subject, counts: { attachments: attached.length, feedback: Number(numDeletedRows) } };
}

/** What somebody with this address wrote. */
async function hideFeedback(
  transaction: Transaction<IssueTables>,
  projectId: number,
  email: string | undefined,
): Promise<Record<string, number>> {
  if (email === undefined) return {};
  const { numDeletedRows } = await transaction
    .deleteFrom("error_feedback")
    .where("project_id", "=", projectId)
    .where((row) => row(row.fn<string>("lower", ["email"]), "=", email.toLowerCase()))
    .executeTakeFirst();
  return { feedback: Number(numDeletedRows) };
}

/** What was discarded for ever stays so when it is deleted once more. */
const unlessForEver = {
  until_ms: sql<number | null>`case when error_discarded_hashes.until_ms is null then null else excluded.until_ms end`,
  title: sql<string>`case when error_discarded_hashes.until_ms is null then error_discarded_hashes.title else excluded.title end`,
};

async function hideIssue(
  transaction: Transaction<IssueTables>,
  projectId: number,
  { issueId, discard }: { readonly issueId: number; readonly discard: boolean },
  actor: string,
  nowMs: number,
): Promise<{ subject: Subject; counts: Record<string, number> }> {
  const issue = await transaction
    .selectFrom("error_issues")
    .select("title")
    .where("id", "=", issueId)
    .where("project_id", "=", projectId)
    .executeTakeFirst();
  if (issue === undefined) throw new ReadError("ET_ISSUE_NOT_FOUND");
  const rows = await transaction.selectFrom("error_hashes").select("hash").where("issue_id", "=", issueId).execute();
  const hashes = rows.map(({ hash }) => hash);
  if (hashes.length > 0) {
    const unwanted = { project_id: projectId, title: discard ? issue.title : "", actor, at_ms: nowMs };
    await transaction
      .insertInto("error_discarded_hashes")
      .values(hashes.map((hash) => ({ ...unwanted, hash, until_ms: discard ? null : nowMs })))
      .onConflict((conflict) => conflict.columns(["project_id", "hash"]).doUpdateSet(unlessForEver))
      .execute();
  }
  const merged = await transaction.selectFrom("error_issues").select("id").where("merged_into", "=", issueId).execute();
  const ids = [issueId, ...merged.map(({ id }) => id)];
  for (const table of ["error_activity", "error_comments", "error_issue_positions", "error_issue_firsts"] as const)
    await transaction.deleteFrom(table).where("issue_id", "in", ids).execute();
  const blobs: string[] = [];
  if (hashes.length > 0) {
    const pinned = await transaction
      .deleteFrom("error_pins")
      .where("project_id", "=", projectId)
      .where("primary_hash", "in", hashes)
      .returning("blob")
      .execute();
    blobs.push(...blobsOf(pinned));
    for (const table of ["error_hashes", "error_hash_hours", "error_hash_minutes"] as const)
      await transaction.deleteFrom(table).where("project_id", "=", projectId).where("hash", "in", hashes).execute();
    await transaction
      .deleteFrom("error_feedback")
      .where("project_id", "=", projectId)
      .where("primary_hash", "in", hashes)
      .execute();
  }
  await transaction.deleteFrom("error_issues").where("id", "in", ids).execute();
  return { subject: { hashes, blobs }, counts: { issues: ids.length, hashes: hashes.length } };
}

async function removeProject(
  transaction: Transaction<IssueTables & ProjectTables>,
  projectId: number,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const tables = [
    "error_issues",
    "error_hashes",
    "error_hash_hours",
    "error_hash_minutes",
    "error_issue_positions",
    "error_event_ids",
    "error_activity",
    "error_comments",
    "error_discarded_hashes",
    "error_releases",
    "error_issue_firsts",
    "error_sdks",
    "error_sdk_days",
    "error_feedback",
    "error_monitors",
    "error_check_ins",
    "error_item_messages",
    "error_client_discards",
  ] as const;
  for (const table of tables) {
    const { numDeletedRows } = await transaction
      .deleteFrom(table)
      .where("project_id", "=", projectId)
      .executeTakeFirst();
    counts[table.slice("error_".length)] = Number(numDeletedRows);
  }
  // Keys go with their project. Whoever has them in memory sees by the revision that they are gone.
  await transaction.deleteFrom("projects").where("id", "=", projectId).execute();
  await transaction
    .updateTable("project_revision")
    .set((row) => ({ revision: row("revision", "+", 1) }))
    .execute();
  return counts;
}

export async function findDeletion(
  database: Database,
  projectId: number,
  jobId: number,
): Promise<DeletionJob | undefined> {
  const row = await database
    .reader<IssueTables>()
    .selectFrom("error_deletions")
    .selectAll()
    .where("id", "=", jobId)
    .where("project_id", "=", projectId)
    .executeTakeFirst();
  return (
    row && { id: row.id, projectId: row.project_id, kind: row.kind, state: row.state, counts: JSON.parse(row.counts) }
  );
}

/**
 * Does the jobs that are due. Any number of processes may do so: a job is leased while it is worked on, and doing one
 * twice removes no more than once. Returns how many were done.
 */
export async function runDeletions(dependencies: DeletionDependencies, options: RunOptions = {}): Promise<number> {
  const { database, clock } = dependencies;
  const { signal, isCalm = async () => true } = options;
  let done = 0;
  let ended = 0;
  while (!signal?.aborted) {
    const nowMs = clock.nowMs();
    const job = await database
      .as<IssueTables>()
      .updateTable("error_deletions")
      .set({ next_run_at_ms: nowMs + leaseMs })
      .where("id", "=", (row) =>
        row
          .selectFrom("error_deletions as due")
          .select("due.id")
          .where("due.next_run_at_ms", "<=", nowMs)
          .orderBy("due.id")
          .limit(1),
      )
      .where("next_run_at_ms", "<=", nowMs)
      .returningAll()
      .executeTakeFirst();
    if (job === undefined) break;
    const isLast = job.runs > 0 && (await isCalm());
    const removed = await remove(dependencies, job);
    await database
      .as<IssueTables>()
      .updateTable("error_deletions")
      .set({
        state: "done",
        counts: JSON.stringify(sum(JSON.parse(job.counts), removed)),
        runs: job.runs + 1,
        next_run_at_ms: isLast ? null : clock.nowMs() + againMs,
        // Whose data it was is data, too.
        ...(isLast ? { subject: "{}" } : {}),
      })
      .where("id", "=", job.id)
      .execute();
    if (isLast) await forgetWaiting(database, job);
    done++;
    if (isLast) ended++;
  }
  if (ended > 0 && !signal?.aborted) await purgeDeleted(dependencies.analytics);
  return done;
}

/** Nothing that was received before a deletion waits any more. */
async function forgetWaiting(
  database: Database,
  { project_id: projectId, requested_at_ms: untilMs }: Selectable<IssueTables["error_deletions"]>,
): Promise<void> {
  await database
    .as<IssueTables>()
    .deleteFrom("error_discarded_hashes")
    .where("project_id", "=", projectId)
    .where("until_ms", "<=", untilMs)
    .execute();
}

const tables = ["error_events", "error_payloads"] as const;

async function remove(
  dependencies: DeletionDependencies,
  {
    project_id: projectId,
    kind,
    subject: written,
    requested_at_ms: untilMs,
  }: Selectable<IssueTables["error_deletions"]>,
): Promise<Record<string, number>> {
  const subject: Subject = JSON.parse(written);
  const { hashes = [], eventId = "", user = {}, blobs = [] } = subject;
  switch (kind) {
    case "project":
      return sum(await removeProjectRows(dependencies, projectId), await letters(dependencies, projectId, { kind }));
    case "issue":
      await removeBlobs(dependencies, blobs);
      return sum(
        await removeHashes(dependencies, projectId, hashes, untilMs),
        await letters(dependencies, projectId, { kind, hashes, untilMs }),
      );
    case "event":
      return sum(
        await removeEvent(dependencies, projectId, eventId, blobs),
        await letters(dependencies, projectId, { kind, eventId }),
      );
    case "user":
      return sum(
        await removeUser(dependencies, projectId, user, untilMs),
        await letters(dependencies, projectId, { kind, user, untilMs }),
      );
  }
}

async function letters(
  { letters: source, blobs, database }: DeletionDependencies,
  projectId: number,
  subject: LetterSubject,
): Promise<Record<string, number>> {
  if (source === undefined) return {};
  return { dead_letters: await eraseLetters({ letters: source, blobs, database }, projectId, subject) };
}

async function removeProjectRows(
  dependencies: DeletionDependencies,
  projectId: number,
): Promise<Record<string, number>> {
  const { analytics, database } = dependencies;
  const params = { project: projectId };
  const counts = await countRows(dependencies, "project_id = {project:UInt64}", params);
  for (const table of [...tables, "error_users", "error_sessions"])
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

async function removeEvent(
  dependencies: DeletionDependencies,
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

async function removeUser(
  dependencies: DeletionDependencies,
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
async function removeSessions(dependencies: DeletionDependencies, projectId: number, user: UserNames): Promise<number> {
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

function sum(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const both: Record<string, number> = { ...a };
  for (const [what, quantity] of Object.entries(b)) both[what] = (both[what] ?? 0) + quantity;
  return both;
}

/** Attachments of those of a project's events whose rows meet the condition. */
async function removeAttachmentsOfRows(
  dependencies: DeletionDependencies,
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
async function removeHashes(
  dependencies: DeletionDependencies,
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
  dependencies: DeletionDependencies,
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
  for (const table of [...tables, "error_users", "error_sessions"])
    await analytics.command(`ALTER TABLE ${table} APPLY DELETED MASK`, { maxExecutionSeconds: 3600 });
}
