import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import type { TransactionalPublisher } from "./digest.js";
import { issueIgnored, issueResolved } from "./issue-events.js";
import type { Issue } from "./list-issues.js";
import type { IssueStatus, IssueTables } from "./store/tables.js";

export interface StatusChange {
  readonly projectId: number;
  readonly issueId: number;
  readonly status: IssueStatus;
  /** Subject of the token. */
  readonly actor: string;
  /** Number of a user in the forge, where the caller acts for one. */
  readonly onBehalfOf: number | undefined;
}

export interface StatusDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly publisher: () => TransactionalPublisher;
}

const announcements = { resolved: issueResolved, ignored: issueIgnored, unresolved: undefined };

/**
 * Gives an issue a status by hand; activity and event are written with it or not at all. The same status again changes
 * nothing. Undefined when the project has no such issue.
 */
export async function setIssueStatus(
  dependencies: StatusDependencies,
  change: StatusChange,
): Promise<Issue | undefined> {
  const { database, clock, publisher } = dependencies;
  const { projectId, issueId, status, actor, onBehalfOf } = change;
  return database.transaction(async (transaction: Transaction<IssueTables>) => {
    const atMs = clock.nowMs();
    const before = await transaction
      .selectFrom("error_issues")
      .select("status")
      .where("id", "=", issueId)
      .where("project_id", "=", projectId)
      .executeTakeFirst();
    if (before === undefined) return undefined;
    const changed = await transaction
      .updateTable("error_issues")
      .set({ status, substatus: "ongoing", status_changed_at_ms: atMs })
      .where("id", "=", issueId)
      .where("status", "<>", status)
      .executeTakeFirst();
    if (changed.numUpdatedRows > 0) {
      const detail = JSON.stringify({ before: before.status, after: status, updated_by_id: onBehalfOf });
      await transaction
        .insertInto("error_activity")
        .values({ project_id: projectId, issue_id: issueId, at_ms: atMs, actor, kind: "status", detail })
        .execute();
      const event = announcements[status]?.create({ project_id: projectId, issue_id: issueId, actor });
      if (event) await publisher().publish(event, { transaction });
    }
    return transaction.selectFrom("error_issues").selectAll().where("id", "=", issueId).executeTakeFirst();
  });
}
