import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import { dashed } from "../digest/user-counts.js";
import { ReadError } from "../issues/read-errors.js";
import type { ProjectTables } from "../migrations/projects-migration.js";
import { removeAttachments } from "../store/attachments.js";
import { lockProjects } from "../store/counters.js";
import { overRows, runOverRows } from "../store/json-rows.js";
import type { IssueTables } from "../store/tables.js";

/** What is to go. */
export type DeletionKind =
  | { readonly kind: "event"; readonly eventId: string }
  | { readonly kind: "issue"; readonly issueId: number; readonly discard: boolean }
  | { readonly kind: "project" }
  /** Everything that names this user by any of them. */
  | {
      readonly kind: "user";
      readonly id?: string | undefined;
      readonly email?: string | undefined;
      readonly address?: string | undefined;
    };

export interface DeletionDependencies {
  readonly database: Database;
  readonly analytics: Analytics;
  /** Where attachments are; without it there are none. */
  readonly blobs?: Blobs | undefined;
  readonly clock: Clock;
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
  readonly user?: {
    readonly id?: string | undefined;
    readonly email?: string | undefined;
    readonly address?: string | undefined;
  };
}

/** Removals are done again after this time: events that were being written at the first one are gone then, too. */
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
  if (deletion.kind === "event") return { subject: { eventId: deletion.eventId }, counts: {} };
  if (deletion.kind === "user") {
    const { id, email, address } = deletion;
    return { subject: { user: { id, email, address } }, counts: {} };
  }
  if (deletion.kind === "project") return { subject: {}, counts: await removeProject(transaction, projectId) };
  const { issueId, discard } = deletion;
  const issue = await transaction
    .selectFrom("error_issues")
    .select("title")
    .where("id", "=", issueId)
    .where("project_id", "=", projectId)
    .executeTakeFirst();
  if (issue === undefined) throw new ReadError("ET_ISSUE_NOT_FOUND");
  const rows = await transaction.selectFrom("error_hashes").select("hash").where("issue_id", "=", issueId).execute();
  const hashes = rows.map(({ hash }) => hash);
  if (discard && hashes.length > 0) {
    await transaction
      .insertInto("error_discarded_hashes")
      .values(hashes.map((hash) => ({ project_id: projectId, hash, title: issue.title, actor, at_ms: nowMs })))
      .onConflict((conflict) => conflict.columns(["project_id", "hash"]).doNothing())
      .execute();
  }
  const merged = await transaction.selectFrom("error_issues").select("id").where("merged_into", "=", issueId).execute();
  const ids = [issueId, ...merged.map(({ id }) => id)];
  for (const table of ["error_activity", "error_comments", "error_issue_positions", "error_issue_firsts"] as const)
    await transaction.deleteFrom(table).where("issue_id", "in", ids).execute();
  if (hashes.length > 0) {
    for (const table of ["error_hashes", "error_hash_hours", "error_hash_minutes"] as const)
      await transaction.deleteFrom(table).where("project_id", "=", projectId).where("hash", "in", hashes).execute();
    await transaction
      .deleteFrom("error_feedback")
      .where("project_id", "=", projectId)
      .where("primary_hash", "in", hashes)
      .execute();
  }
  await transaction.deleteFrom("error_issues").where("id", "in", ids).execute();
  return { subject: { hashes }, counts: { issues: ids.length, hashes: hashes.length } };
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
export async function runDeletions(dependencies: DeletionDependencies, signal?: AbortSignal): Promise<number> {
  const { database, clock } = dependencies;
  let done = 0;
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
    if (job === undefined) return done;
    const removed = await remove(dependencies, job.project_id, job.kind, JSON.parse(job.subject));
    const counts: Record<string, number> = JSON.parse(job.counts);
    for (const [what, quantity] of Object.entries(removed)) counts[what] = (counts[what] ?? 0) + quantity;
    await database
      .as<IssueTables>()
      .updateTable("error_deletions")
      .set({
        state: "done",
        counts: JSON.stringify(counts),
        runs: job.runs + 1,
        next_run_at_ms: job.runs === 0 ? clock.nowMs() + againMs : null,
      })
      .where("id", "=", job.id)
      .execute();
    done++;
  }
  return done;
}

const tables = ["error_events", "error_payloads"] as const;

async function remove(
  dependencies: DeletionDependencies,
  projectId: number,
  kind: DeletionKind["kind"],
  subject: Subject,
): Promise<Record<string, number>> {
  const { analytics, database } = dependencies;
  if (kind === "project") {
    const params = { project: projectId };
    const counts = await countRows(analytics, "project_id = {project:UInt64}", params);
    for (const table of [...tables, "error_users", "error_sessions"])
      await analytics.command(`DELETE FROM ${table} WHERE project_id = {project:UInt64}`, { params });
    const attachments = await database.run<{ blob: string }>(
      "delete from error_attachments where project_id = ? returning blob",
      [projectId],
    );
    const blobs = attachments.rows.map(({ blob }) => blob);
    return { ...counts, attachments: await removeBlobs(dependencies, blobs) };
  }
  if (kind === "issue") return removeHashes(dependencies, projectId, subject.hashes ?? []);
  const said = await removeFeedback(dependencies, projectId, subject);
  const condition = kind === "event" ? "event_id = {event:UUID}" : userCondition(subject.user ?? {});
  const params = {
    event: dashed(subject.eventId ?? "0".repeat(32)),
    id: subject.user?.id ?? "",
    email: subject.user?.email ?? "",
    address: subject.user?.address ?? "",
  };
  const alone = subject.eventId === undefined ? [] : [{ projectId, eventId: subject.eventId }];
  const removed = await removeEvents(dependencies, projectId, condition, params);
  // An event that never came may have attachments all the same.
  const blobs = await removeBlobs(dependencies, await removeAttachments(database, alone));
  return sum(sum(removed, said), { attachments: blobs });
}

function sum(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const both: Record<string, number> = { ...a };
  for (const [what, quantity] of Object.entries(b)) both[what] = (both[what] ?? 0) + quantity;
  return both;
}

/** Deletes blobs to which nothing refers any more; what cannot be deleted now is collected later. */
async function removeBlobs({ blobs }: DeletionDependencies, keys: readonly string[]): Promise<number> {
  for (const key of keys) await blobs?.delete(key);
  return keys.length;
}

/** What people said of an event, or what a user said. */
async function removeFeedback(
  { database }: DeletionDependencies,
  projectId: number,
  { eventId, user }: Subject,
): Promise<Record<string, number>> {
  const [column, value] = eventId === undefined ? ["email", user?.email] : ["event_id", eventId];
  if (value === undefined) return {};
  const { changes } = await database.run(`delete from error_feedback where project_id = ? and ${column} = ?`, [
    projectId,
    value,
  ]);
  return { feedback: changes };
}

function userCondition({ id, email, address }: NonNullable<Subject["user"]>): string {
  const parts = [
    ...(id ? ["user_id = {id:String}"] : []),
    ...(email ? ["user_email = {email:String}"] : []),
    ...(address ? ["user_ip = {address:String}"] : []),
  ];
  return parts.length === 0 ? "0" : `(${parts.join(" OR ")})`;
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
      `SELECT DISTINCT event_id FROM error_events WHERE ${condition} AND event_id IN {events:Array(UUID)}`,
      { ...params, events: rows.map((row) => dashed(row.event_id)) },
    );
    const events = found.map((row) => ({ projectId, eventId: plain(row.event_id) }));
    removed += await removeBlobs(dependencies, await removeAttachments(database, events));
  }
}

async function removeHashes(
  { analytics, database, blobs, clock }: DeletionDependencies,
  projectId: number,
  hashes: readonly string[],
): Promise<Record<string, number>> {
  // A hash that a new issue has meanwhile is that issue's.
  const reborn = await ownedOf(database, projectId, hashes);
  const gone = hashes.filter((hash) => !reborn.has(hash));
  if (gone.length === 0) return {};
  const params = { project: projectId, hashes: gone.map(dashed) };
  const condition = "project_id = {project:UInt64} AND primary_hash IN {hashes:Array(UUID)}";
  const counts = await countRows(analytics, condition, params);
  const attachments = await removeAttachmentsOfRows(
    { analytics, blobs, clock, database },
    projectId,
    condition,
    params,
  );
  await analytics.command(
    `DELETE FROM error_payloads WHERE project_id = {project:UInt64} AND event_id IN
      (SELECT event_id FROM error_events WHERE ${condition})`,
    { params },
  );
  await analytics.command(`DELETE FROM error_events WHERE ${condition}`, { params });
  await analytics.command(`DELETE FROM error_users WHERE ${condition}`, { params });
  return { ...counts, attachments };
}

async function ownedOf(database: Database, projectId: number, hashes: readonly string[]): Promise<Set<string>> {
  const rows = await runOverRows<{ hash: string }>(
    database,
    owned,
    hashes.map((hash) => [projectId, hash]),
  );
  return new Set(rows.map(({ hash }) => hash));
}

const owned = overRows(`
  select known.hash from $rows
  join error_hashes as known on known.project_id = $int(0) and known.hash = $1`);

async function countRows(
  analytics: Analytics,
  condition: string,
  params: Readonly<Record<string, unknown>>,
): Promise<Record<string, number>> {
  const [row] = await analytics.query<{ n: string }>(
    `SELECT count() AS n FROM error_events FINAL WHERE ${condition}`,
    params,
  );
  return { events: Number(row?.n) };
}

interface DoomedEvent {
  readonly event_id: string;
  readonly primary_hash: string;
  readonly timestamp: string;
}

const maxAtOnce = 5000;

/** Returns the events that were not taken out of the counters yet. */
const forget = overRows(`
  insert into error_event_ids
    (project_id, event_id, received_at_ms, primary_hash, timestamp_ms, state, body_digest, sample_weight)
  select $int(0), $1, $int(2), '', $int(2), 'written', '', 0 from $rows where true
  on conflict (project_id, event_id) do update set state = 'written', sample_weight = 0, primary_hash = ''
    where error_event_ids.sample_weight > 0
  returning event_id`);

const shrinkHashes = overRows(`
  update error_hashes set event_count = error_hashes.event_count - less.events
  from (select $int(0) as project_id, $1 as hash, $int(2) as events from $rows) as less
  where error_hashes.project_id = less.project_id and error_hashes.hash = less.hash`);

const shrinkHours = overRows(`
  update error_hash_hours set events = error_hash_hours.events - less.events
  from (select $int(0) as project_id, $1 as hash, $int(2) as hour, $int(3) as events from $rows) as less
  where error_hash_hours.project_id = less.project_id and error_hash_hours.hash = less.hash
    and error_hash_hours.hour = less.hour`);

const recount = overRows(`
  update error_issues set event_count =
    coalesce((select sum(own.event_count) from error_hashes as own where own.issue_id = error_issues.id), 0)
  where id in (select owner.issue_id from $rows
    join error_hashes as owner on owner.project_id = $int(0) and owner.hash = $1)`);

/** Takes single events out of rows and counters. */
async function removeEvents(
  dependencies: DeletionDependencies,
  projectId: number,
  condition: string,
  params: Readonly<Record<string, unknown>>,
): Promise<Record<string, number>> {
  const { analytics, database } = dependencies;
  let events = 0;
  let attachments = 0;
  for (;;) {
    const doomed = await analytics.query<DoomedEvent>(
      `SELECT event_id, primary_hash, timestamp FROM error_events FINAL
      WHERE project_id = {project:UInt64} AND ${condition} LIMIT ${maxAtOnce}`,
      { project: projectId, ...params },
    );
    if (doomed.length === 0) return { events, attachments };
    await database.transaction(async (transaction: Transaction<IssueTables>) => {
      await lockProjects(database, [projectId], transaction);
      const rows = doomed.map((row) => [projectId, plain(row.event_id), Date.parse(row.timestamp)]);
      const forgotten = await runOverRows<{ event_id: string }>(database, forget, rows, transaction);
      const counted = new Set(forgotten.map((row) => row.event_id));
      const sums = tally(doomed.filter((row) => counted.has(plain(row.event_id))));
      const hashes = sums.hashes.map(([hash, quantity]) => [projectId, hash, quantity]);
      await runOverRows(database, shrinkHashes, hashes, transaction);
      await runOverRows(
        database,
        shrinkHours,
        sums.hours.map(([hash, hour, quantity]) => [projectId, hash, hour, quantity]),
        transaction,
      );
      await runOverRows(database, recount, hashes, transaction);
    });
    const gone = doomed.map((row) => ({ projectId, eventId: plain(row.event_id) }));
    attachments += await removeBlobs(dependencies, await removeAttachments(database, gone));
    const ids = { project: projectId, events: doomed.map((row) => row.event_id) };
    for (const table of ["error_payloads", "error_events"])
      await analytics.command(
        `DELETE FROM ${table} WHERE project_id = {project:UInt64} AND event_id IN {events:Array(UUID)}`,
        { params: ids },
      );
    events += doomed.length;
  }
}

function plain(uuid: string): string {
  return uuid.replaceAll("-", "");
}

function tally(doomed: readonly DoomedEvent[]) {
  const hashes = new Map<string, number>();
  const hours = new Map<string, [string, number, number]>();
  for (const { primary_hash, timestamp } of doomed) {
    const hash = plain(primary_hash);
    const hour = Math.floor(Date.parse(timestamp) / 3_600_000);
    hashes.set(hash, (hashes.get(hash) ?? 0) + 1);
    const [, , before] = hours.get(`${hash} ${hour}`) ?? [hash, hour, 0];
    hours.set(`${hash} ${hour}`, [hash, hour, before + 1]);
  }
  return { hashes: [...hashes], hours: [...hours.values()] };
}

/** Rewrites parts that hold deleted rows, so that they are gone from disk. */
export async function purgeDeleted(analytics: Analytics): Promise<void> {
  for (const table of [...tables, "error_users", "error_sessions"])
    await analytics.command(`ALTER TABLE ${table} APPLY DELETED MASK`, { maxExecutionSeconds: 3600 });
}
