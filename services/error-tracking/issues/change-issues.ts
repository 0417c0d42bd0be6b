import type { Database, TransactionHandle } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import type { TransactionalPublisher } from "../digest/digest.js";
import { issueIgnored, issueResolved } from "../events/issue-events.js";
import { lockProjects } from "../store/counters.js";
import type { IssueStatus, IssueTables } from "../store/tables.js";
import { type Activity, noteActivity, type StatusMove, setStatuses } from "../store/transitions.js";
import type { IgnoreConditions } from "./ignore-conditions.js";
import type { createIssueMetrics } from "./issue-metrics.js";
import type { Issue } from "./list-issues.js";
import { newestRelease } from "./release-order.js";
import type { Resolution } from "./resolution.js";

/** What is to be changed about issues; what is left out stays. */
export interface IssueChange {
  readonly status?: IssueStatus | undefined;
  /** With `resolved`. Default: now. */
  readonly resolveIn?: ResolveIn | undefined;
  /** With `ignored`. Default: for ever. */
  readonly ignoreUntil?: Omit<IgnoreConditions, "fromEvents"> | undefined;
  /** Null: nobody. */
  readonly assignee?: string | null | undefined;
  /** The issue in the forge that was made for it; null: none. */
  readonly linkUrl?: string | null | undefined;
}

export type ResolveIn =
  | { readonly kind: "now" | "current" | "next" }
  | { readonly kind: "release"; readonly release: string };

export interface ChangeRequest {
  readonly projectId: number;
  readonly issueIds: readonly number[];
  readonly change: IssueChange;
  /** Subject of the token. */
  readonly actor: string;
  /** Number of a user in the forge, where the caller acts for one. */
  readonly onBehalfOf?: number | undefined;
  /** The commit that says so. */
  readonly commit?: string | undefined;
}

export interface ChangeDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly publisher: () => TransactionalPublisher;
  /** Counts changes of issues. */
  readonly countChange?: ReturnType<typeof createIssueMetrics>;
}

/**
 * Changes issues of one project by hand, all or none; status, activity and events are written together. What is so
 * already is no change and leaves no trace. Resolves with the issues as they are now; those that the project does not
 * have, or that were merged into others, are missing.
 */
export async function changeIssues(
  dependencies: ChangeDependencies,
  request: ChangeRequest,
): Promise<ReadonlyMap<number, Issue>> {
  const { database } = dependencies;
  const { projectId, issueIds, change } = request;
  let moved = 0;
  const changed = await database.transaction(async (transaction: Transaction<IssueTables>) => {
    // Whoever digests events of the project waits, so no event is measured by a status that is about to change.
    await lockProjects(database, [projectId], transaction);
    moved = await applyChange(dependencies, request, transaction);
    const after = await readIssues(transaction, projectId, issueIds);
    return new Map(after.map((issue) => [issue.id, issue]));
  });
  countMoves(dependencies, change, moved);
  return changed;
}

/**
 * `changeIssues` as a part of a transaction that has locked the project. Resolves with how many issues got another
 * status; `countMoves` is for after the commit.
 */
export async function applyChange(
  dependencies: ChangeDependencies,
  request: ChangeRequest,
  transaction: Transaction<IssueTables>,
): Promise<number> {
  const { database, clock } = dependencies;
  const { projectId, issueIds, change } = request;
  const before = await readIssues(transaction, projectId, issueIds);
  const atMs = clock.nowMs();
  const target = await targetOf(transaction, projectId, change);
  const moves = before.flatMap((issue) => statusMove(issue, target) ?? []);
  await setStatuses(database, moves, atMs, transaction);
  await setFields(transaction, before, change);
  const activities = before.flatMap((issue) => activitiesOf(issue, moves, request));
  await noteActivity(database, activities, atMs, transaction);
  for (const { issueId, status } of moves) await announce(dependencies, request, issueId, status, transaction);
  return moves.length;
}

export function countMoves(
  { countChange }: Pick<ChangeDependencies, "countChange">,
  { status }: IssueChange,
  moved: number,
): void {
  if (moved > 0 && (status === "resolved" || status === "ignored")) countChange?.(status, moved);
}

function readIssues(
  transaction: Transaction<IssueTables>,
  projectId: number,
  issueIds: readonly number[],
): Promise<Issue[]> {
  if (issueIds.length === 0) return Promise.resolve([]);
  return transaction
    .selectFrom("error_issues")
    .selectAll()
    .where("project_id", "=", projectId)
    .where("id", "in", issueIds)
    .where("merged_into", "is", null)
    .execute();
}

/** The status that issues are to have; `explicit`: the caller said in which way. */
interface Target {
  readonly status: IssueStatus;
  readonly resolution: Resolution | undefined;
  readonly conditions: Omit<IgnoreConditions, "fromEvents"> | undefined;
  readonly explicit: boolean;
}

async function targetOf(
  transaction: Transaction<IssueTables>,
  projectId: number,
  { status, resolveIn, ignoreUntil }: IssueChange,
): Promise<Target | undefined> {
  if (status === undefined) return undefined;
  const resolution = status === "resolved" ? await resolutionOf(transaction, projectId, resolveIn) : undefined;
  const conditions = status === "ignored" ? ignoreUntil : undefined;
  return { status, resolution, conditions, explicit: resolveIn !== undefined || ignoreUntil !== undefined };
}

async function resolutionOf(
  transaction: Transaction<IssueTables>,
  projectId: number,
  resolveIn: ResolveIn = { kind: "now" },
): Promise<Resolution> {
  if (resolveIn.kind === "now") return { kind: "now" };
  if (resolveIn.kind === "release") return { kind: "release", release: resolveIn.release };
  const releases = await transaction
    .selectFrom("error_releases")
    .select(["version", "created_at_ms"])
    .where("project_id", "=", projectId)
    .orderBy("created_at_ms", "desc")
    .limit(maxReleases)
    .execute();
  const newest = newestRelease(releases.map((row) => ({ version: row.version, createdAtMs: row.created_at_ms })));
  if (resolveIn.kind === "next") return { kind: "next", base: newest?.version ?? null };
  // Without any release there is nothing that events could be measured by but their time.
  return newest === undefined ? { kind: "now" } : { kind: "release", release: newest.version };
}

/** Projects with more than these have long left the older ones behind. */
const maxReleases = 5000;

function statusMove(issue: Issue, target: Target | undefined): StatusMove | undefined {
  if (target === undefined) return undefined;
  const resolution = target.resolution && JSON.stringify(target.resolution);
  const conditions =
    target.conditions &&
    JSON.stringify({ ...target.conditions, fromEvents: issue.event_count } satisfies IgnoreConditions);
  if (issue.status === target.status && !target.explicit) return undefined;
  if (issue.status === target.status && issue.resolution === (resolution ?? null) && conditions === undefined)
    return undefined;
  return {
    projectId: issue.project_id,
    issueId: issue.id,
    status: target.status,
    substatus: "ongoing",
    resolution: resolution ?? null,
    ignoreConditions: conditions ?? null,
  };
}

async function setFields(
  transaction: Transaction<IssueTables>,
  issues: readonly Issue[],
  { assignee, linkUrl }: IssueChange,
): Promise<void> {
  if (issues.length === 0 || (assignee === undefined && linkUrl === undefined)) return;
  await transaction
    .updateTable("error_issues")
    .set({
      ...(assignee === undefined ? {} : { assignee }),
      ...(linkUrl === undefined ? {} : { link_url: linkUrl }),
    })
    .where(
      "id",
      "in",
      issues.map(({ id }) => id),
    )
    .execute();
}

function activitiesOf(issue: Issue, moves: readonly StatusMove[], request: ChangeRequest): Activity[] {
  const { change, actor, onBehalfOf, commit } = request;
  const note = (kind: string, before: unknown, after: unknown, more: object = {}): Activity => ({
    projectId: issue.project_id,
    issueId: issue.id,
    actor,
    kind,
    detail: { before, after, updated_by_id: onBehalfOf, commit, ...more },
  });
  const notes: Activity[] = [];
  const move = moves.find(({ issueId }) => issueId === issue.id);
  if (move !== undefined)
    notes.push(
      note("status", issue.status, move.status, {
        ...(move.resolution ? { resolution: JSON.parse(move.resolution) } : {}),
        ...(move.ignoreConditions ? { conditions: JSON.parse(move.ignoreConditions) } : {}),
      }),
    );
  if (change.assignee !== undefined && change.assignee !== issue.assignee)
    notes.push(note("assigned", issue.assignee, change.assignee));
  if (change.linkUrl !== undefined && change.linkUrl !== issue.link_url)
    notes.push(note("linked", issue.link_url, change.linkUrl));
  return notes;
}

async function announce(
  { publisher }: ChangeDependencies,
  { projectId, actor }: ChangeRequest,
  issueId: number,
  status: IssueStatus,
  transaction: TransactionHandle,
): Promise<void> {
  const definition = status === "resolved" ? issueResolved : status === "ignored" ? issueIgnored : undefined;
  if (definition === undefined) return;
  const event = definition.create({ project_id: projectId, issue_id: issueId, actor });
  await publisher().publish(event, { transaction });
}
