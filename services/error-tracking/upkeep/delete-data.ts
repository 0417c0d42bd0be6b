import type { Database } from "@signalbox/database";
import type { DeadLetters } from "@signalbox/event-store";
import type { Selectable, Transaction } from "kysely";
import type { ProjectTables } from "../migrations/projects-migration.js";
import { lockProjects } from "../store/counters.js";
import type { IssueTables } from "../store/tables.js";
import { eraseLetters, type LetterSubject } from "./erase-letters.js";
import { type DeletionKind, hide, type Subject } from "./hide-deleted.js";
import { purgeDeleted, removeEvent, removeHashes, removeProjectRows, removeUser } from "./remove-deleted.js";
import { type RemovalStores, removeBlobs } from "./remove-events.js";

export interface DeletionDependencies extends RemovalStores {
  /** What could not be stored. */
  readonly letters?: (() => Pick<DeadLetters, "list" | "forget">) | undefined;
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

function sum(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const both: Record<string, number> = { ...a };
  for (const [what, quantity] of Object.entries(b)) both[what] = (both[what] ?? 0) + quantity;
  return both;
}
