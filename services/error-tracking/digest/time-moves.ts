import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import { issueResolved, issueUnmuted } from "../events/issue-events.js";
import { readIgnoreConditions } from "../issues/ignore-conditions.js";
import type { createIssueMetrics } from "../issues/issue-metrics.js";
import type { Issue } from "../issues/list-issues.js";
import type { ProjectTables } from "../migrations/projects-migration.js";
import { readProjectSettings } from "../projects/project-settings.js";
import { lockProjects } from "../store/counters.js";
import type { IssueTables } from "../store/tables.js";
import { noteActivity, setStatuses } from "../store/transitions.js";
import type { TransactionalPublisher } from "./digest.js";

export interface TimeMoveDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly publisher: () => TransactionalPublisher;
  /** Counts changes of issues. */
  readonly countChange?: ReturnType<typeof createIssueMetrics>;
}

const dayMs = 86_400_000;
const newForMs = 7 * dayMs;
const chunk = 500;

/** Moves issues that nothing but time moves. Any number of processes may do so: each issue is moved once. */
export async function moveByTime(dependencies: TimeMoveDependencies): Promise<void> {
  await settleIssues(dependencies);
  await endIgnoring(dependencies);
  await resolveSilent(dependencies);
}

/** After a week an issue is neither new nor back nor more than usual: it is known. */
async function settleIssues({ database, clock }: TimeMoveDependencies): Promise<void> {
  await database.run(
    `update error_issues set substatus = 'ongoing'
    where status = 'unresolved' and substatus in ('new', 'regressed', 'escalating') and status_changed_at_ms <= ?`,
    [clock.nowMs() - newForMs],
  );
}

async function endIgnoring(dependencies: TimeMoveDependencies): Promise<void> {
  const { database, clock } = dependencies;
  const candidates = await database
    .reader<IssueTables>()
    .selectFrom("error_issues")
    .select(["id", "project_id", "ignore_conditions"])
    .where("status", "=", "ignored")
    .where("merged_into", "is", null)
    .where("ignore_conditions", "like", '%"untilMs"%')
    .execute();
  const due = candidates.filter((row) => isOver(row.ignore_conditions, clock.nowMs()));
  for (const projectId of new Set(due.map((row) => row.project_id))) {
    const ids = due.filter((row) => row.project_id === projectId).map(({ id }) => id);
    await inProject(dependencies, projectId, ids.slice(0, chunk), async (issues, transaction, atMs) => {
      const over = issues.filter((issue) => issue.status === "ignored" && isOver(issue.ignore_conditions, atMs));
      const moves = over.map(
        ({ id }) => ({ projectId, issueId: id, status: "unresolved", substatus: "ongoing" }) as const,
      );
      await setStatuses(database, moves, atMs, transaction);
      const notes = over.map(({ id }) => ({ projectId, issueId: id, actor: "", kind: "unmuted", detail: {} }));
      await noteActivity(database, notes, atMs, transaction);
      for (const issue of over) {
        const event = issueUnmuted.create({
          project_id: projectId,
          issue_id: issue.id,
          short_number: issue.short_number,
          title: issue.title,
        });
        await dependencies.publisher().publish(event, { transaction });
      }
      dependencies.countChange?.("unmuted", over.length);
    });
  }
}

function isOver(conditions: string | null, nowMs: number): boolean {
  const untilMs = readIgnoreConditions(conditions)?.untilMs;
  return untilMs !== undefined && nowMs >= untilMs;
}

/** Projects may have issues resolved that were not heard of for some days. */
async function resolveSilent(dependencies: TimeMoveDependencies): Promise<void> {
  const { database, clock } = dependencies;
  const projects = await database
    .reader<ProjectTables>()
    .selectFrom("projects")
    .select(["id", "settings"])
    .where("settings", "like", '%"autoResolveDays"%')
    .execute();
  for (const { id: projectId, settings } of projects) {
    const { autoResolveDays } = readProjectSettings(settings);
    if (autoResolveDays === 0) continue;
    const beforeMs = clock.nowMs() - autoResolveDays * dayMs;
    const silent = await database
      .reader<IssueTables>()
      .selectFrom("error_issues")
      .select("id")
      .where("project_id", "=", projectId)
      .where("status", "=", "unresolved")
      .where("merged_into", "is", null)
      .where("last_seen_ms", "<", beforeMs)
      .limit(chunk)
      .execute();
    const ids = silent.map(({ id }) => id);
    await inProject(dependencies, projectId, ids, async (issues, transaction, atMs) => {
      const still = issues.filter((issue) => issue.status === "unresolved" && issue.last_seen_ms < beforeMs);
      const resolution = JSON.stringify({ kind: "now" });
      const moves = still.map(
        ({ id }) => ({ projectId, issueId: id, status: "resolved", substatus: "ongoing", resolution }) as const,
      );
      await setStatuses(database, moves, atMs, transaction);
      const detail = { before: "unresolved", after: "resolved", silent_days: autoResolveDays };
      const notes = still.map(({ id }) => ({ projectId, issueId: id, actor: "", kind: "status", detail }));
      await noteActivity(database, notes, atMs, transaction);
      for (const { id } of still) {
        const event = issueResolved.create({ project_id: projectId, issue_id: id, actor: "" });
        await dependencies.publisher().publish(event, { transaction });
      }
      dependencies.countChange?.("resolved", still.length);
    });
  }
}

/** Does something to issues while nothing else changes them; those that were merged into others are left alone. */
async function inProject(
  { database, clock }: TimeMoveDependencies,
  projectId: number,
  ids: readonly number[],
  work: (issues: readonly Issue[], transaction: Transaction<IssueTables>, atMs: number) => Promise<void>,
): Promise<void> {
  if (ids.length === 0) return;
  await database.transaction(async (transaction: Transaction<IssueTables>) => {
    await lockProjects(database, [projectId], transaction);
    const issues = await transaction
      .selectFrom("error_issues")
      .selectAll()
      .where("id", "in", ids)
      .where("merged_into", "is", null)
      .execute();
    await work(issues, transaction, clock.nowMs());
  });
}
