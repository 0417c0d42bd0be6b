import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Selectable, Transaction } from "kysely";
import type { IssueTables } from "../store/tables.js";
import { noteActivity } from "../store/transitions.js";

export type ActivityEntry = Selectable<IssueTables["error_activity"]>;
export type IssueComment = Selectable<IssueTables["error_comments"]>;

/** Who did what to an issue, newest first; only entries before `beforeId` when given. */
export function listActivity(
  database: Database,
  issueId: number,
  limit: number,
  beforeId = Number.MAX_SAFE_INTEGER,
): Promise<ActivityEntry[]> {
  return database
    .reader<IssueTables>()
    .selectFrom("error_activity")
    .selectAll()
    .where("issue_id", "=", issueId)
    .where("id", "<", beforeId)
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
}

/** What people said about an issue, newest first. */
export function listComments(
  database: Database,
  issueId: number,
  limit: number,
  beforeId = Number.MAX_SAFE_INTEGER,
): Promise<IssueComment[]> {
  return database
    .reader<IssueTables>()
    .selectFrom("error_comments")
    .selectAll()
    .where("issue_id", "=", issueId)
    .where("id", "<", beforeId)
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
}

/** Adds what somebody says, with a trace in the activity. */
export function addComment(
  { database, clock }: { readonly database: Database; readonly clock: Clock },
  issue: { readonly id: number; readonly project_id: number },
  author: string,
  text: string,
): Promise<IssueComment> {
  return database.transaction(async (transaction: Transaction<IssueTables>) => {
    const atMs = clock.nowMs();
    const comment = await transaction
      .insertInto("error_comments")
      .values({ project_id: issue.project_id, issue_id: issue.id, at_ms: atMs, author, text })
      .returningAll()
      .executeTakeFirstOrThrow();
    const note = { projectId: issue.project_id, issueId: issue.id, actor: author, kind: "commented" };
    await noteActivity(database, [{ ...note, detail: { comment_id: comment.id } }], atMs, transaction);
    return comment;
  });
}

/** What the issue is grouped by, and why. */
export function listHashes(database: Database, issueId: number): Promise<Selectable<IssueTables["error_hashes"]>[]> {
  return database
    .reader<IssueTables>()
    .selectFrom("error_hashes")
    .selectAll()
    .where("issue_id", "=", issueId)
    .orderBy("created_at_ms")
    .orderBy("hash")
    .limit(1000)
    .execute();
}

export type Release = Selectable<IssueTables["error_releases"]>;

/** Releases of a project, newest first. */
export function listReleases(
  database: Database,
  projectId: number,
  limit: number,
  before: readonly [createdAtMs: number, id: number] = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
): Promise<Release[]> {
  const [createdAtMs, id] = before;
  return database
    .reader<IssueTables>()
    .selectFrom("error_releases")
    .selectAll()
    .where("project_id", "=", projectId)
    .where((row) =>
      row.or([
        row("created_at_ms", "<", createdAtMs),
        row.and([row("created_at_ms", "=", createdAtMs), row("id", "<", id)]),
      ]),
    )
    .orderBy("created_at_ms", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
}
