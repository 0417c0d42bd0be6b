import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import type { Transaction } from "kysely";
import { countUsers, dashed } from "../digest/user-counts.js";
import { issueMerged } from "../events/issue-events.js";
import { lockProjects, takeShortNumbers } from "../store/counters.js";
import { keepPositions, recountIssues } from "../store/issue-totals.js";
import type { IssueTables } from "../store/tables.js";
import { noteActivity } from "../store/transitions.js";
import type { ChangeDependencies } from "./change-issues.js";
import { readIgnoreConditions } from "./ignore-conditions.js";
import { IssueError } from "./issue-errors.js";
import type { Issue } from "./list-issues.js";
import { ReadError } from "./read-errors.js";

export interface MergeDependencies extends ChangeDependencies {
  readonly analytics: Analytics;
}

export interface MergeRequest {
  readonly projectId: number;
  readonly issueIds: readonly number[];
  /** Subject of the token. */
  readonly actor: string;
}

const maxMerged = 100;

/**
 * Makes several issues of a project one: the one that was made first takes the hashes of the others, which only point to
 * it from then on. Nothing is rewritten; every count is that of the hashes. Resolves with the id of the survivor.
 * @throws {IssueError} `ET_MERGE_INVALID`
 * @throws {ReadError} `ET_ISSUE_NOT_FOUND`, also for an issue of another project and one that was merged already
 */
export async function mergeIssues(dependencies: MergeDependencies, request: MergeRequest): Promise<number> {
  const { database, clock, publisher } = dependencies;
  const { projectId, actor } = request;
  const ids = [...new Set(request.issueIds)].sort((a, b) => a - b);
  if (ids.length < 2 || ids.length > maxMerged) throw new IssueError("ET_MERGE_INVALID");
  const survivorId = await database.transaction(async (transaction: Transaction<IssueTables>) => {
    const atMs = clock.nowMs();
    const changeSeq = await lockProject(database, projectId, transaction);
    const issues = await readLiving(transaction, projectId, ids);
    const [survivor, ...others] = issues;
    if (survivor === undefined) throw new ReadError("ET_ISSUE_NOT_FOUND");
    const otherIds = others.map(({ id }) => id);
    await keepPositions(database, [{ issueId: survivor.id, changeSeq }], atMs, transaction);
    await transaction
      .updateTable("error_hashes")
      .set((row) => ({
        issue_id: survivor.id,
        former_issue_id: row.fn.coalesce("former_issue_id", "issue_id"),
      }))
      .where("issue_id", "in", otherIds)
      .execute();
    await transaction
      .updateTable("error_issues")
      .set({ merged_into: survivor.id })
      .where((row) => row.or([row("id", "in", otherIds), row("merged_into", "in", otherIds)]))
      .execute();
    await transaction.updateTable("error_issues").set(combined(issues)).where("id", "=", survivor.id).execute();
    await keepIgnoring(transaction, survivor, sumOfEvents(others));
    await recountIssues(database, [{ issueId: survivor.id, changeSeq }], transaction);
    const activity = (issueId: number, detail: object) => ({ projectId, issueId, actor, kind: "merged", detail });
    const notes = [
      activity(survivor.id, { issues: otherIds }),
      ...otherIds.map((id) => activity(id, { into: survivor.id })),
    ];
    await noteActivity(database, notes, atMs, transaction);
    const event = issueMerged.create({
      project_id: projectId,
      issue_id: survivor.id,
      merged_issue_ids: otherIds,
      actor,
    });
    await publisher().publish(event, { transaction });
    return survivor.id;
  });
  dependencies.countChange?.("merged", ids.length - 1);
  await recountUsers(dependencies, [survivorId]);
  return survivorId;
}

/** The times and releases of all of them together. */
function combined(issues: readonly Issue[]) {
  const first = issues
    .filter((issue) => issue.first_release_at_ms !== null)
    .sort((a, b) => Number(a.first_release_at_ms) - Number(b.first_release_at_ms))[0];
  const last = issues
    .filter((issue) => issue.last_release_at_ms !== null)
    .sort((a, b) => Number(b.last_release_at_ms) - Number(a.last_release_at_ms) || b.id - a.id)[0];
  return {
    first_seen_ms: Math.min(...issues.map((issue) => issue.first_seen_ms)),
    last_seen_ms: Math.max(...issues.map((issue) => issue.last_seen_ms)),
    first_release: first?.first_release ?? null,
    first_release_at_ms: first?.first_release_at_ms ?? null,
    last_release: last?.last_release ?? null,
    last_release_at_ms: last?.last_release_at_ms ?? null,
    unhandled: Math.max(...issues.map((issue) => issue.unhandled)),
  };
}

export interface UnmergeRequest {
  readonly projectId: number;
  readonly issueId: number;
  readonly hashes: readonly string[];
  /** `former`: each hash goes to the issue it came from; hashes that came from none, and all with `new`, to a new one. */
  readonly to: "former" | "new";
  readonly actor: string;
}

/**
 * Takes hashes out of an issue. Resolves with the ids of the issues that have them now.
 * @throws {IssueError} `ET_UNMERGE_INVALID`
 * @throws {ReadError} `ET_ISSUE_NOT_FOUND`
 */
export async function unmergeIssue(dependencies: MergeDependencies, request: UnmergeRequest): Promise<number[]> {
  const { database, analytics, clock } = dependencies;
  const { projectId, issueId, actor } = request;
  const hashes = [...new Set(request.hashes)];
  const seen = await readSightings(analytics, projectId, hashes);
  const targets = await database.transaction(async (transaction: Transaction<IssueTables>) => {
    const atMs = clock.nowMs();
    const changeSeq = await lockProject(database, projectId, transaction);
    const [issue] = await readLiving(transaction, projectId, [issueId]);
    if (issue === undefined) throw new ReadError("ET_ISSUE_NOT_FOUND");
    const owned = await transaction.selectFrom("error_hashes").selectAll().where("issue_id", "=", issueId).execute();
    const leaving = owned.filter(({ hash }) => hashes.includes(hash));
    if (leaving.length !== hashes.length || leaving.length === 0 || leaving.length === owned.length)
      throw new IssueError("ET_UNMERGE_INVALID");
    await keepPositions(database, [{ issueId, changeSeq }], atMs, transaction);
    await keepIgnoring(transaction, issue, -sumOfEvents(leaving));

    const byTarget = new Map<number | undefined, string[]>();
    for (const { hash, former_issue_id: former } of leaving) {
      const target = request.to === "former" ? (former ?? undefined) : undefined;
      byTarget.set(target, [...(byTarget.get(target) ?? []), hash]);
    }
    const moved: number[] = [];
    for (const [formerId, group] of byTarget) {
      const sightings = group.flatMap((hash) => seen.get(hash) ?? []);
      const targetId =
        (formerId === undefined ? undefined : await revive(transaction, formerId, sightings)) ??
        (await makeIssue(database, transaction, issue, sightings, changeSeq, atMs));
      await transaction
        .updateTable("error_hashes")
        .set({ issue_id: targetId, former_issue_id: null })
        .where("project_id", "=", projectId)
        .where("hash", "in", group)
        .execute();
      moved.push(targetId);
    }
    await recountIssues(
      database,
      [issueId, ...moved].map((id) => ({ issueId: id, changeSeq })),
      transaction,
    );
    const notes = [
      { projectId, issueId, actor, kind: "unmerged", detail: { hashes, into: moved } },
      ...moved.map((id) => ({ projectId, issueId: id, actor, kind: "unmerged", detail: { from: issueId } })),
    ];
    await noteActivity(database, notes, atMs, transaction);
    return moved;
  });
  await recountUsers(dependencies, [issueId, ...targets]);
  return targets;
}

function sumOfEvents(counted: readonly { readonly event_count: number }[]): number {
  return counted.reduce((sum, { event_count: events }) => sum + events, 0);
}

/** An issue that is ignored until so many events come is not nearer to it by events that come or go with their hashes. */
async function keepIgnoring(transaction: Transaction<IssueTables>, issue: Issue, moreEvents: number): Promise<void> {
  const conditions = readIgnoreConditions(issue.ignore_conditions);
  if (conditions === undefined) return;
  const moved = { ...conditions, fromEvents: Math.max(0, conditions.fromEvents + moreEvents) };
  await transaction
    .updateTable("error_issues")
    .set({ ignore_conditions: JSON.stringify(moved) })
    .where("id", "=", issue.id)
    .execute();
}

async function lockProject(
  database: Database,
  projectId: number,
  transaction: Transaction<IssueTables>,
): Promise<number> {
  return (await lockProjects(database, [projectId], transaction)).get(projectId)?.changeSeq ?? 0;
}

/** The issues by id; all of them must be there and stand for themselves. */
async function readLiving(
  transaction: Transaction<IssueTables>,
  projectId: number,
  ids: readonly number[],
): Promise<Issue[]> {
  const issues = await transaction
    .selectFrom("error_issues")
    .selectAll()
    .where("project_id", "=", projectId)
    .where("id", "in", ids)
    .where("merged_into", "is", null)
    .orderBy("id")
    .execute();
  if (issues.length !== ids.length) throw new ReadError("ET_ISSUE_NOT_FOUND");
  return issues;
}

interface Sighting {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly title: string;
  readonly culprit: string;
  readonly level: string;
  readonly platform: string;
  readonly file: string;
  readonly function: string;
  /** 1: one of the events was not caught. */
  readonly unhandled: number;
  readonly name: string;
  readonly description: string;
}

/** When hashes were seen, and how their newest event is called. Events that are gone tell nothing any more. */
async function readSightings(
  analytics: Analytics,
  projectId: number,
  hashes: readonly string[],
): Promise<Map<string, Sighting>> {
  const rows = await analytics.query<Record<string, string>>(
    `SELECT primary_hash, min(timestamp) AS first, max(timestamp) AS last,
      argMax(title, timestamp) AS newest_title, argMax(culprit, timestamp) AS newest_culprit,
      argMax(level, timestamp) AS newest_level, argMax(platform, timestamp) AS newest_platform,
      argMax(exception_types[-1], timestamp) AS newest_type, argMax(exception_values[-1], timestamp) AS newest_value,
      argMax(stack_files[-1], timestamp) AS newest_file, argMax(stack_functions[-1], timestamp) AS newest_function,
      max(handled = 'no') AS any_unhandled
    FROM error_events FINAL
    WHERE project_id = {project:UInt64} AND primary_hash IN {hashes:Array(UUID)}
      AND timestamp > now64(3) - INTERVAL 400 DAY
    GROUP BY primary_hash
    SETTINGS do_not_merge_across_partitions_select_final = 1`,
    { project: projectId, hashes: hashes.map(dashed) },
  );
  return new Map(
    rows.map((row) => [
      (row["primary_hash"] ?? "").replaceAll("-", ""),
      {
        firstMs: Date.parse(row["first"] ?? ""),
        lastMs: Date.parse(row["last"] ?? ""),
        title: row["newest_title"] ?? "",
        culprit: row["newest_culprit"] ?? "",
        level: row["newest_level"] ?? "error",
        platform: row["newest_platform"] ?? "other",
        file: row["newest_file"] ?? "",
        function: row["newest_function"] ?? "",
        unhandled: Number(row["any_unhandled"] ?? 0),
        name: row["newest_type"] || (row["newest_level"] ?? ""),
        description: row["newest_value"] || (row["newest_title"] ?? ""),
      },
    ]),
  );
}

/** Lets an issue that was merged away stand for itself again; undefined when it is gone for good. */
async function revive(
  transaction: Transaction<IssueTables>,
  issueId: number,
  sightings: readonly Sighting[],
): Promise<number | undefined> {
  const before = await transaction.selectFrom("error_issues").selectAll().where("id", "=", issueId).executeTakeFirst();
  if (before === undefined) return undefined;
  await transaction
    .updateTable("error_issues")
    .set({
      merged_into: null,
      first_seen_ms: Math.min(before.first_seen_ms, ...sightings.map(({ firstMs }) => firstMs)),
      last_seen_ms: Math.max(before.last_seen_ms, ...sightings.map(({ lastMs }) => lastMs)),
    })
    .where("id", "=", issueId)
    .execute();
  return issueId;
}

async function makeIssue(
  database: Database,
  transaction: Transaction<IssueTables>,
  from: Issue,
  sightings: readonly Sighting[],
  changeSeq: number,
  atMs: number,
): Promise<number> {
  const counter = await transaction
    .selectFrom("error_counters")
    .select("next_short_number")
    .where("project_id", "=", from.project_id)
    .executeTakeFirstOrThrow();
  await takeShortNumbers(database, new Map([[from.project_id, 1]]), transaction);
  const newest = [...sightings].sort((a, b) => b.lastMs - a.lastMs)[0];
  const { id } = await transaction
    .insertInto("error_issues")
    .values({
      project_id: from.project_id,
      short_number: counter.next_short_number,
      title: newest?.title ?? from.title,
      name: newest?.name ?? from.name,
      description: newest?.description ?? from.description,
      culprit: newest?.culprit ?? from.culprit,
      level: newest?.level ?? from.level,
      platform: newest?.platform ?? from.platform,
      place_file: newest?.file ?? from.place_file,
      place_function: newest?.function ?? from.place_function,
      unhandled: Math.max(0, ...sightings.map(({ unhandled }) => unhandled)),
      status: "unresolved",
      substatus: "ongoing",
      status_changed_at_ms: atMs,
      first_seen_ms: newest === undefined ? from.first_seen_ms : Math.min(...sightings.map(({ firstMs }) => firstMs)),
      last_seen_ms: newest?.lastMs ?? from.last_seen_ms,
      event_count: 0,
      user_count: 0,
      change_seq: changeSeq,
      created_seq: changeSeq,
      created_at_ms: atMs,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return id;
}

/** Users are counted by sets, which have no difference: issues that lost hashes are counted anew. */
export async function recountUsers(
  { database, analytics }: Pick<MergeDependencies, "database" | "analytics">,
  issueIds: readonly number[],
): Promise<void> {
  const users = await countUsers(database, analytics, issueIds);
  for (const id of issueIds)
    await database.run("update error_issues set user_count = ? where id = ?", [users.get(id) ?? 0, id]);
}
