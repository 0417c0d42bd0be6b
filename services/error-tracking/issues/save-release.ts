import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { isJsonObject } from "@signalbox/sentry-protocol";
import type { Transaction } from "kysely";
import { lockProjects } from "../store/counters.js";
import { overRows, runOverRows } from "../store/json-rows.js";
import { insertReleases } from "../store/releases.js";
import type { IssueTables } from "../store/tables.js";
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
}

export interface Deploy {
  readonly environment: string;
  readonly name?: string;
  readonly url?: string;
  /** RFC 3339. */
  readonly date?: string;
}

/** Makes a release, or says more about one. Resolves with it, and whether it is new. */
export function saveRelease(
  { database, clock }: { readonly database: Database; readonly clock: Clock },
  projectId: number,
  version: string,
  { releasedAtMs, url, commits, deploys }: ReleaseChanges,
): Promise<{ readonly release: Release; readonly isNew: boolean }> {
  return database.transaction(async (transaction: Transaction<IssueTables>) => {
    await lockProjects(database, [projectId], transaction);
    const made = await insertReleases(database, [{ projectId, version, createdAtMs: clock.nowMs() }], transaction);
    const changes = {
      ...(releasedAtMs === undefined ? {} : { released_at_ms: releasedAtMs }),
      ...(url === undefined ? {} : { url }),
      ...(commits === undefined ? {} : { commits: JSON.stringify(commits) }),
      ...(deploys === undefined ? {} : { deploys: JSON.stringify(deploys) }),
    };
    const named = { project_id: projectId, version };
    const release = await transaction
      .updateTable("error_releases")
      .set({ version, ...changes })
      .where("project_id", "=", named.project_id)
      .where("version", "=", named.version)
      .returningAll()
      .executeTakeFirstOrThrow();
    return { release, isNew: made.length > 0 };
  });
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
      const list: unknown = JSON.parse(commits);
      const last: unknown = Array.isArray(list) ? list.at(-1) : undefined;
      return isJsonObject(last) && typeof last["id"] === "string" ? [[version, last["id"]] as const] : [];
    }),
  );
}
