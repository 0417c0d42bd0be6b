import type { Database } from "@signalbox/database";
import type { IssueTables } from "../store/tables.js";
import type { Issue } from "./list-issues.js";
import { ReadError } from "./read-errors.js";

/**
 * The issue, also one that was merged into another and only points there.
 * @throws {ReadError} `ET_ISSUE_NOT_FOUND`, also for an issue of another project
 */
export async function findIssue(database: Database, projectId: number, issueId: number): Promise<Issue> {
  const issue = await database
    .reader<IssueTables>()
    .selectFrom("error_issues")
    .selectAll()
    .where("id", "=", issueId)
    .where("project_id", "=", projectId)
    .executeTakeFirst();
  if (issue === undefined) throw new ReadError("ET_ISSUE_NOT_FOUND");
  return issue;
}
