import { sql, type Transaction } from "kysely";
import type { UserNames } from "../issues/hidden-events.js";
import { ReadError } from "../issues/read-errors.js";
import type { ProjectTables } from "../migrations/projects-migration.js";
import { blobsOf } from "../store/pins.js";
import type { IssueTables } from "../store/tables.js";

/** What is to go. */
export type DeletionKind =
  | { readonly kind: "event"; readonly eventId: string }
  | { readonly kind: "issue"; readonly issueId: number; readonly discard: boolean }
  | { readonly kind: "project" }
  /** Everything that names this user by any of them. */
  | ({ readonly kind: "user" } & UserNames);

/** What the job has to know of what was hidden. */
export interface Subject {
  readonly hashes?: readonly string[];
  readonly eventId?: string;
  readonly user?: UserNames;
  /** Attachments and kept events that nothing refers to any more. */
  readonly blobs?: readonly string[];
}

/** Takes away what SQL has of it, so that nobody finds it from now on. @throws {ReadError} `ET_ISSUE_NOT_FOUND` */
export async function hide(
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

export async function hideIssue(
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
