import type { Database } from "@signalbox/database";
import { isJsonObject } from "@signalbox/sentry-protocol";
import type { Transaction } from "kysely";
import { lockProjects } from "../store/counters.js";
import { overRows, runOverRows } from "../store/json-rows.js";
import { makeReleases } from "../store/make-releases.js";
import type { IssueTables } from "../store/tables.js";
import { applyChange, type ChangeDependencies, countMoves, type IssueChange } from "./change-issues.js";
import { fixedBy } from "./fixed-by-commits.js";
import type { Release } from "./issue-notes.js";

/** What people and pipelines know of a release. */
export interface ReleaseChanges {
  readonly releasedAtMs?: number | null;
  readonly url?: string | null;
  /** Oldest first; those before are replaced. */
  readonly commits?: readonly Commit[];
  /** Oldest first; those before are replaced. */
  readonly deploys?: readonly Deploy[];
}

export interface Commit {
  /** 7 to 40 hex digits. */
  readonly id: string;
  readonly message?: string;
  readonly author?: string;
  /** RFC 3339. */
  readonly date?: string;
  /** Files that it touched, from the root of the repository. */
  readonly paths?: readonly string[];
}

export interface Deploy {
  readonly environment: string;
  readonly name?: string;
  readonly url?: string;
  /** RFC 3339. */
  readonly date?: string;
}

/** The release that is meant, and who says so. */
export interface ReleaseRequest {
  readonly project: { readonly id: number; readonly slug: string };
  readonly version: string;
  readonly changes: ReleaseChanges;
  /** Subject of the token. */
  readonly actor: string;
}

/**
 * Makes a release, or says more about one. Resolves with it, and whether it is new. Issues that its commits say to fix are
 * resolved in it; commits that were known to be in it have been heard and say nothing again.
 */
export async function saveRelease(
  dependencies: ChangeDependencies,
  { project, version, changes, actor }: ReleaseRequest,
): Promise<{ readonly release: Release; readonly isNew: boolean }> {
  const { database, clock } = dependencies;
  const { releasedAtMs, url, commits, deploys } = changes;
  const resolve: IssueChange = { status: "resolved", resolveIn: { kind: "release", release: version } };
  let moved = 0;
  const saved = await database.transaction(async (transaction: Transaction<IssueTables>) => {
    await lockProjects(database, [project.id], transaction);
    const made = await makeReleases(
      database,
      [{ projectId: project.id, version, createdAtMs: clock.nowMs() }],
      transaction,
    );
    const named = transaction
      .selectFrom("error_releases")
      .selectAll()
      .where("project_id", "=", project.id)
      .where("version", "=", version);
    const before = await named.executeTakeFirstOrThrow();
    await transaction
      .updateTable("error_releases")
      .set({
        version,
        ...(releasedAtMs === undefined ? {} : { released_at_ms: releasedAtMs }),
        ...(url === undefined ? {} : { url }),
        ...(commits === undefined ? {} : { commits: JSON.stringify(commits) }),
        ...(deploys === undefined ? {} : { deploys: JSON.stringify(deploys) }),
      })
      .where("id", "=", before.id)
      .execute();
    const heard = new Set(readCommits(before.commits).map(({ id }) => id));
    for (const { id: commit, message = "" } of commits ?? []) {
      const numbers = heard.has(commit) ? [] : fixedBy(message, project.slug);
      const issueIds = await issuesNumbered(transaction, project.id, numbers);
      const request = { projectId: project.id, issueIds, change: resolve, actor, commit };
      if (issueIds.length > 0) moved += await applyChange(dependencies, request, transaction);
    }
    return { release: await named.executeTakeFirstOrThrow(), isNew: made.length > 0 };
  });
  countMoves(dependencies, resolve, moved);
  return saved;
}

/** Issues by the numbers in their short ids; of those that were merged into others, the others. */
async function issuesNumbered(
  transaction: Transaction<IssueTables>,
  projectId: number,
  numbers: readonly number[],
): Promise<number[]> {
  if (numbers.length === 0) return [];
  const rows = await transaction
    .selectFrom("error_issues")
    .select(["id", "merged_into"])
    .where("project_id", "=", projectId)
    .where("short_number", "in", numbers)
    .execute();
  return [...new Set(rows.map(({ id, merged_into: survivor }) => survivor ?? id))];
}

/** Commits as a release keeps them. */
export function readCommits(json: string): Commit[] {
  const list: unknown = JSON.parse(json);
  return Array.isArray(list) ? list.filter(isCommit) : [];
}

function isCommit(value: unknown): value is Commit {
  return isJsonObject(value) && typeof value["id"] === "string";
}

/** The commits of one release, oldest first; none when it is not known. */
export async function commitsOf(database: Database, projectId: number, version: string): Promise<Commit[]> {
  const release = await database
    .reader<IssueTables>()
    .selectFrom("error_releases")
    .select("commits")
    .where("project_id", "=", projectId)
    .where("version", "=", version)
    .executeTakeFirst();
  return release === undefined ? [] : readCommits(release.commits);
}

const find = overRows(`
  select known.version, known.commits from $rows
  join error_releases as known on known.project_id = $int(0) and known.version = $1`);

/** The newest commit of each of the releases that has any. */
export async function lastCommits(
  database: Database,
  projectId: number,
  versions: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await runOverRows<{ version: string; commits: string }>(
    database,
    find,
    [...new Set(versions)].map((version) => [projectId, version]),
  );
  return new Map(
    rows.flatMap(({ version, commits }) => {
      const last = readCommits(commits).at(-1);
      return last === undefined ? [] : [[version, last.id] as const];
    }),
  );
}
