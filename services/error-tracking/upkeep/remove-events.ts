import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import type { RowCondition } from "../issues/hidden-events.js";
import { removeAttachments } from "../store/attachments.js";
import { lockProjects } from "../store/counters.js";
import { overRows, runOverRows } from "../store/json-rows.js";
import { removePins } from "../store/pins.js";
import type { IssueTables } from "../store/tables.js";

/** Where events are. */
export interface RemovalStores {
  readonly database: Database;
  readonly analytics: Analytics;
  /** Where attachments are; without it there are none. */
  readonly blobs?: Blobs | undefined;
  readonly clock: Clock;
}

/** Nothing is kept for longer, not even what came a month late. */
const longestKeptMs = 400 * 86_400_000;

/** A time before everything that is kept. */
export function beforeAll({ clock }: Pick<RemovalStores, "clock">): string {
  return new Date(clock.nowMs() - longestKeptMs).toISOString();
}

/** Deletes blobs to which nothing refers any more; what cannot be deleted now is collected later. */
export async function removeBlobs({ blobs }: Pick<RemovalStores, "blobs">, keys: readonly string[]): Promise<number> {
  for (const key of keys) await blobs?.delete(key);
  return keys.length;
}

interface DoomedEvent {
  readonly event_id: string;
  readonly primary_hash: string;
  readonly timestamp: string;
}

/** Events that one statement names. */
export const maxAtOnce = 5000;

/** Returns the events that were not taken out of the counters yet. */
const forget = overRows(`
  insert into error_event_ids
    (project_id, event_id, received_at_ms, primary_hash, timestamp_ms, state, body_digest, sample_weight)
  select $int(0), $1, $int(2), '', $int(2), 'written', '', 0 from $rows where true
  on conflict (project_id, event_id) do update set state = 'written', sample_weight = 0, primary_hash = ''
    where error_event_ids.sample_weight > 0
  returning event_id`);

const shrinkHashes = overRows(`
  update error_hashes set event_count = error_hashes.event_count - less.events
  from (select $int(0) as project_id, $1 as hash, $int(2) as events from $rows) as less
  where error_hashes.project_id = less.project_id and error_hashes.hash = less.hash`);

const shrinkHours = overRows(`
  update error_hash_hours set events = error_hash_hours.events - less.events
  from (select $int(0) as project_id, $1 as hash, $int(2) as hour, $int(3) as events from $rows) as less
  where error_hash_hours.project_id = less.project_id and error_hash_hours.hash = less.hash
    and error_hash_hours.hour = less.hour`);

/** Returns the issues that are left without any event. */
const recount = overRows(`
  update error_issues set event_count =
    coalesce((select sum(own.event_count) from error_hashes as own where own.issue_id = error_issues.id), 0)
  where id in (select owner.issue_id from $rows
    join error_hashes as owner on owner.project_id = $int(0) and owner.hash = $1)
  returning id, event_count`);

const forgetFeedback = overRows(`
  delete from error_feedback where (project_id, event_id) in (select $int(0), $1 from $rows)
  returning id`);

export interface RemovedEvents {
  readonly events: number;
  readonly attachments: number;
  readonly feedback: number;
  /** Issues that have no events any more. */
  readonly emptied: readonly number[];
}

/** Takes single events out of rows and counters, with what belongs to them. */
export async function removeEvents(
  dependencies: RemovalStores,
  projectId: number,
  { sql: condition, params }: RowCondition,
): Promise<RemovedEvents> {
  const { analytics, database } = dependencies;
  let events = 0;
  let attachments = 0;
  let feedback = 0;
  const emptied = new Set<number>();
  for (;;) {
    const doomed = await analytics.query<DoomedEvent>(
      `SELECT event_id, primary_hash, timestamp FROM error_events FINAL
      WHERE project_id = {project:UInt64} AND timestamp >= {oldest:DateTime64(3, 'UTC')} AND ${condition}
      LIMIT ${maxAtOnce}`,
      { project: projectId, oldest: beforeAll(dependencies), ...params },
    );
    if (doomed.length === 0) return { events, attachments, feedback, emptied: [...emptied] };
    const recounted = await database.transaction(async (transaction: Transaction<IssueTables>) => {
      await lockProjects(database, [projectId], transaction);
      const rows = doomed.map((row) => [projectId, plain(row.event_id), Date.parse(row.timestamp)]);
      const forgotten = await runOverRows<{ event_id: string }>(database, forget, rows, transaction);
      const counted = new Set(forgotten.map((row) => row.event_id));
      const sums = tally(doomed.filter((row) => counted.has(plain(row.event_id))));
      const hashes = sums.hashes.map(([hash, quantity]) => [projectId, hash, quantity]);
      await runOverRows(database, shrinkHashes, hashes, transaction);
      await runOverRows(
        database,
        shrinkHours,
        sums.hours.map(([hash, hour, quantity]) => [projectId, hash, hour, quantity]),
        transaction,
      );
      return runOverRows<{ id: number; event_count: number }>(database, recount, hashes, transaction);
    });
    for (const { id, event_count } of recounted) if (event_count === 0) emptied.add(id);
    const gone = doomed.map((row) => ({ projectId, eventId: plain(row.event_id) }));
    const said = await runOverRows(
      database,
      forgetFeedback,
      gone.map(({ eventId }) => [projectId, eventId]),
    );
    feedback += said.length;
    attachments += await removeBlobs(dependencies, await removeAttachments(database, gone));
    await removeBlobs(dependencies, await removePins(database, gone));
    const ids = { project: projectId, events: doomed.map((row) => row.event_id) };
    for (const table of ["error_payloads", "error_events"])
      await analytics.command(
        `DELETE FROM ${table} WHERE project_id = {project:UInt64} AND event_id IN {events:Array(UUID)}`,
        { params: ids },
      );
    events += doomed.length;
  }
}

/** An id as SQL has it. */
export function plain(uuid: string): string {
  return uuid.replaceAll("-", "");
}

function tally(doomed: readonly DoomedEvent[]) {
  const hashes = new Map<string, number>();
  const hours = new Map<string, [string, number, number]>();
  for (const { primary_hash, timestamp } of doomed) {
    const hash = plain(primary_hash);
    const hour = Math.floor(Date.parse(timestamp) / 3_600_000);
    hashes.set(hash, (hashes.get(hash) ?? 0) + 1);
    const [, , before] = hours.get(`${hash} ${hour}`) ?? [hash, hour, 0];
    hours.set(`${hash} ${hour}`, [hash, hour, before + 1]);
  }
  return { hashes: [...hashes], hours: [...hours.values()] };
}
