import type { Database, TransactionHandle } from "@signalbox/database";
import type { DigestedEvent } from "../digest/digested-event.js";
import type { OrderedRelease } from "../issues/release-order.js";
import { overRows, runOverRows } from "./json-rows.js";

/** What a batch tells of one release of a project. */
interface ReleaseSightings {
  readonly projectId: number;
  readonly version: string;
  firstReceiptMs: number;
  firstEventMs: number;
  lastEventMs: number;
  newIssues: number;
}

export interface ReleaseKey {
  readonly projectId: number;
  readonly version: string;
}

export function releaseKey({ projectId, version }: ReleaseKey): string {
  return `${projectId}:${version}`;
}

const insert = overRows(`
  insert into error_releases
    (project_id, version, created_at_ms, new_issues, first_event_ms, last_event_ms, commits, deploys)
  select $int(0), $1, $int(2), 0, null, null, '[]', '[]' from $rows where true
  on conflict (project_id, version) do nothing
  returning project_id, version`);

const sight = overRows(`
  update error_releases set
    new_issues = error_releases.new_issues + seen.new_issues,
    first_event_ms = case when seen.first_event_ms < coalesce(error_releases.first_event_ms, seen.first_event_ms + 1)
      then seen.first_event_ms else error_releases.first_event_ms end,
    last_event_ms = case when seen.last_event_ms > coalesce(error_releases.last_event_ms, seen.last_event_ms - 1)
      then seen.last_event_ms else error_releases.last_event_ms end
  from (select $int(0) as project_id, $1 as version, $int(2) as new_issues, $int(3) as first_event_ms,
      $int(4) as last_event_ms from $rows) as seen
  where error_releases.project_id = seen.project_id and error_releases.version = seen.version`);

/**
 * Notes the releases that counted events name, and makes those that were not known. The projects must be locked.
 * Returns the new ones.
 */
export async function sightReleases(
  database: Database,
  events: readonly DigestedEvent[],
  causes: ReadonlySet<DigestedEvent>,
  transaction: TransactionHandle,
): Promise<ReleaseKey[]> {
  const sightings = [...collect(events, causes).values()];
  const made = await insertReleases(
    database,
    sightings.map(({ projectId, version, firstReceiptMs }) => ({ projectId, version, createdAtMs: firstReceiptMs })),
    transaction,
  );
  const rows = sightings.map((seen) => [
    seen.projectId,
    seen.version,
    seen.newIssues,
    seen.firstEventMs,
    seen.lastEventMs,
  ]);
  await runOverRows(database, sight, rows, transaction);
  return made;
}

/** Makes releases that do not exist yet and returns these. */
export async function insertReleases(
  database: Database,
  releases: readonly (ReleaseKey & { readonly createdAtMs: number })[],
  transaction: TransactionHandle,
): Promise<ReleaseKey[]> {
  const rows = releases.map(({ projectId, version, createdAtMs }) => [projectId, version, createdAtMs]);
  const made = await runOverRows<{ project_id: number; version: string }>(database, insert, rows, transaction);
  return made.map((row) => ({ projectId: row.project_id, version: row.version }));
}

function collect(events: readonly DigestedEvent[], causes: ReadonlySet<DigestedEvent>): Map<string, ReleaseSightings> {
  const sightings = new Map<string, ReleaseSightings>();
  for (const event of events) {
    const { projectId, release: version, receivedAtMs, timestampMs } = event;
    if (version === undefined) continue;
    const key = releaseKey({ projectId, version });
    const before = sightings.get(key);
    sightings.set(key, {
      projectId,
      version,
      firstReceiptMs: Math.min(receivedAtMs, before?.firstReceiptMs ?? receivedAtMs),
      firstEventMs: Math.min(timestampMs, before?.firstEventMs ?? timestampMs),
      lastEventMs: Math.max(timestampMs, before?.lastEventMs ?? timestampMs),
      newIssues: (before?.newIssues ?? 0) + (causes.has(event) ? 1 : 0),
    });
  }
  return sightings;
}

const read = overRows(`
  select known.project_id, known.version, known.created_at_ms from $rows
  join error_releases as known on known.project_id = $int(0) and known.version = $1`);

/** Those of the releases that are known, by `releaseKey`. */
export async function readReleases(
  database: Database,
  keys: readonly ReleaseKey[],
  transaction: TransactionHandle,
): Promise<Map<string, OrderedRelease>> {
  const rows = await runOverRows<{ project_id: number; version: string; created_at_ms: number }>(
    database,
    read,
    keys.map(({ projectId, version }) => [projectId, version]),
    transaction,
  );
  return new Map(
    rows.map((row) => [
      releaseKey({ projectId: row.project_id, version: row.version }),
      { version: row.version, createdAtMs: row.created_at_ms },
    ]),
  );
}
