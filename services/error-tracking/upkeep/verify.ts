import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import { countAllPending, countUnwritten, digestSubscriber, type QueueState } from "../digest/pending-events.js";
import { makeRowFromPayload } from "../digest/rebuild-row.js";
import { dashed } from "../digest/user-counts.js";
import { referredBlobs } from "../store/attachments.js";
import { lockProjects } from "../store/counters.js";
import { overRows, runOverRows } from "../store/json-rows.js";
import type { IssueTables } from "../store/tables.js";
import { type BlobCarriers, findOrphans, isHandlingAll, orphanAgeMs } from "./collect-orphans.js";

export const verifyChecks = ["ledger", "rows", "hours", "issues", "owners", "unfinished", "blobs", "pending"] as const;
export type VerifyCheck = (typeof verifyChecks)[number];

/** Something that does not agree with something else. */
export interface Finding {
  readonly check: VerifyCheck;
  /** 0 for what belongs to no project. */
  readonly projectId: number;
  /** For people: what is wrong. */
  readonly message: string;
  /** What it is about: an id of an event, a hash, an issue. */
  readonly subject: string;
  /** Whether repairing mended it. */
  readonly repaired: boolean;
}

export interface VerifyReport {
  /** How many things each check looked at. */
  readonly checked: Readonly<Record<VerifyCheck, number>>;
  /** At most 1,000; `total` counts all. */
  readonly findings: readonly Finding[];
  readonly total: number;
  /** Of the total, how many are still wrong. */
  readonly open: number;
  /** The same by check. */
  readonly openBy: Readonly<Record<VerifyCheck, number>>;
}

export interface VerifyDependencies {
  readonly database: Database;
  readonly analytics: Analytics;
  /** Where attachments are; without it they are not looked at. */
  readonly blobs?: Blobs | undefined;
  /** What waits and what was given up; without it the queue is not looked at, nor for attachments that nobody needs. */
  readonly messages?: (BlobCarriers & QueueState) | undefined;
  readonly clock: Clock;
  readonly groupingVersion: number;
}

export interface VerifyOptions {
  /** Default: all projects. */
  readonly projectId?: number | undefined;
  readonly sinceMs: number;
  /** Writes rows that are missing from their payload, and counters from what they count. Deletes nothing. */
  readonly repair?: boolean | undefined;
}

const maxFindings = 1000;
const hourMs = 3_600_000;
/** What was received just now may be between two steps. */
const settledMs = 120_000;
const unfinishedMs = 3_600_000;
/** Events looked at in one go. */
const chunk = 5000;

/**
 * Compares everything that must agree: the ledger with itself, remembered events with rows and payloads, counters by hour
 * with events, issues with their hashes, rows with owners, attachments with their bytes; over all projects also bytes with
 * attachments, and what waits with the transport. Runs while events are taken in and digested.
 */
export async function verify(dependencies: VerifyDependencies, options: VerifyOptions): Promise<VerifyReport> {
  const none = { ledger: 0, rows: 0, hours: 0, issues: 0, owners: 0, unfinished: 0, blobs: 0, pending: 0 };
  const checked = { ...none };
  const findings: Finding[] = [];
  let total = 0;
  const openBy = { ...none };
  const report: Report = {
    looked: (check, quantity) => {
      checked[check] += quantity;
    },
    found: (finding) => {
      total++;
      if (!finding.repaired) openBy[finding.check]++;
      if (findings.length < maxFindings) findings.push(finding);
    },
  };
  for (const projectId of await projectsOf(dependencies.database, options)) {
    const scope = { ...dependencies, ...options, projectId, report, untilMs: dependencies.clock.nowMs() - settledMs };
    await checkLedger(scope);
    await checkRows(scope);
    await checkHours(scope);
    await checkIssues(scope);
    await checkOwners(scope);
    await checkBlobs(scope);
  }
  if (options.projectId === undefined) {
    await checkOrphans(dependencies, report);
    await checkPending(dependencies, report);
  }
  const open = Object.values(openBy).reduce((sum, found) => sum + found, 0);
  return { checked, findings, total, open, openBy };
}

interface Report {
  looked(check: VerifyCheck, quantity: number): void;
  found(finding: Finding): void;
}

interface Scope extends VerifyDependencies, Omit<VerifyOptions, "projectId"> {
  readonly projectId: number;
  readonly untilMs: number;
  readonly report: Report;
}

async function projectsOf(database: Database, { projectId }: VerifyOptions): Promise<number[]> {
  if (projectId !== undefined) return [projectId];
  const { rows } = await database.run<{ id: number }>("select id from projects order by id");
  return rows.map(({ id }) => id);
}

/** What was received equals what became of it, in each cell: both are written together. */
async function checkLedger(scope: Scope): Promise<void> {
  const { database, projectId, sinceMs, report } = scope;
  const { rows } = await database.run<{ cell: string; received: number; ended: number }>(
    `select key_id || '/' || category || '/' || hour as cell,
      sum(case when outcome = 'received' then quantity else 0 end) as received,
      sum(case when outcome = 'received' then 0 else quantity end) as ended
    from error_ledger where project_id = ? and hour >= ? group by key_id, category, hour`,
    [projectId, Math.floor(sinceMs / hourMs)],
  );
  report.looked("ledger", rows.length);
  for (const { cell, received, ended } of rows) {
    if (Number(received) === Number(ended)) continue;
    const message = `${received} items were received and ${ended} have an outcome`;
    report.found({ check: "ledger", projectId, subject: cell, message, repaired: false });
  }
  await checkStored(scope);
}

/** Ids are remembered for a day at least. */
const rememberedHours = 23;

/** Each event that is remembered as counted is in the ledger, in the hour of its receipt. */
async function checkStored({ database, projectId, sinceMs, clock, report }: Scope): Promise<void> {
  const first = Math.max(Math.ceil(sinceMs / hourMs), Math.floor(clock.nowMs() / hourMs) - rememberedHours);
  const { rows } = await database.run<{ hour: number; known: number; ended: number }>(
    `select hour, sum(known) as known, sum(ended) as ended from (
      select cast(received_at_ms / 3600000 as bigint) as hour, count(*) as known, 0 as ended from error_event_ids
      where project_id = ? and received_at_ms >= ? and primary_hash <> '' group by 1
      union all
      select hour, 0 as known, sum(quantity) as ended from error_ledger
      where project_id = ? and hour >= ? and outcome in ('stored', 'sampled') group by hour
    ) as sides group by hour`,
    [projectId, first * hourMs, projectId, first],
  );
  report.looked("ledger", rows.length);
  for (const { hour, known, ended } of rows) {
    // Events that were deleted on their own are not remembered as counted; the ledger keeps them.
    if (Number(known) <= Number(ended)) continue;
    const subject = new Date(Number(hour) * hourMs).toISOString();
    const message = `${known} events were counted and ${ended} are in the ledger`;
    report.found({ check: "ledger", projectId, subject, message, repaired: false });
  }
}

interface RememberedRow {
  readonly event_id: string;
  readonly primary_hash: string;
  readonly received_at_ms: number;
  readonly timestamp_ms: number;
  readonly state: string;
  readonly owner: number | null;
}

/** Every written event that is kept has exactly one row and one payload. */
async function checkRows(scope: Scope): Promise<void> {
  const { database, projectId, sinceMs, untilMs, report } = scope;
  let after = "";
  for (;;) {
    const { rows } = await database.run<RememberedRow>(
      `select known.event_id, known.primary_hash, known.received_at_ms, known.timestamp_ms, known.state,
        owned.issue_id as owner
      from error_event_ids as known
      left join error_hashes as owned on owned.project_id = known.project_id and owned.hash = known.primary_hash
      where known.project_id = ? and known.event_id > ? and known.received_at_ms >= ? and known.received_at_ms < ?
        and (known.sample_weight > 0 or known.state = 'counted')
      order by known.event_id limit ${chunk}`,
      [projectId, after, sinceMs, untilMs],
    );
    if (rows.length === 0) return;
    after = rows.at(-1)?.event_id ?? after;
    // Whose issue was deleted has no rows either.
    const kept = rows.filter(({ owner }) => owner !== null);
    const written = kept.filter(({ state }) => state === "written");
    report.looked("rows", written.length);
    await compareRows(scope, written);
    const stuck = kept.filter((row) => row.state === "counted" && row.received_at_ms < untilMs - unfinishedMs);
    report.looked("unfinished", kept.length - written.length);
    for (const { event_id: subject } of stuck)
      report.found({
        check: "unfinished",
        projectId,
        subject,
        message: "The event was counted more than an hour ago and its rows were never written",
        repaired: false,
      });
  }
}

async function compareRows(scope: Scope, written: readonly RememberedRow[]): Promise<void> {
  const { projectId, report, repair } = scope;
  if (written.length === 0) return;
  const [events, payloads] = await Promise.all([
    countById(scope, "error_events", written),
    countById(scope, "error_payloads", written),
  ]);
  for (const row of written) {
    const [inEvents, inPayloads] = [events.get(row.event_id) ?? 0, payloads.get(row.event_id) ?? 0];
    if (inEvents === 1 && inPayloads === 1) continue;
    const repaired = repair === true && inEvents === 0 && inPayloads === 1 && (await writeRow(scope, row));
    const message = `The event has ${inEvents} rows and ${inPayloads} payloads`;
    report.found({ check: "rows", projectId, subject: row.event_id, message, repaired });
  }
}

async function countById(
  { analytics, projectId }: Scope,
  table: "error_events" | "error_payloads",
  rows: readonly RememberedRow[],
): Promise<Map<string, number>> {
  const times = rows.map((row) => row.timestamp_ms);
  const found = await analytics.query<{ event_id: string; n: string }>(
    `SELECT event_id, count() AS n FROM ${table} FINAL
    WHERE project_id = {project:UInt64} AND event_id IN {events:Array(UUID)}
      AND timestamp BETWEEN {since:DateTime64(3, 'UTC')} AND {until:DateTime64(3, 'UTC')}
    GROUP BY event_id`,
    {
      project: projectId,
      events: rows.map((row) => dashed(row.event_id)),
      since: new Date(Math.min(...times)).toISOString(),
      until: new Date(Math.max(...times)).toISOString(),
    },
  );
  return new Map(found.map((row) => [row.event_id.replaceAll("-", ""), Number(row.n)]));
}

/** Makes the row of an event from its payload, under the key that it was counted by. */
async function writeRow({ analytics, projectId, groupingVersion }: Scope, row: RememberedRow): Promise<boolean> {
  const [stored] = await analytics.query<{ payload: string; retention_days: number }>(
    `SELECT payload, retention_days FROM error_payloads FINAL
    WHERE project_id = {project:UInt64} AND event_id = {event:UUID} AND timestamp = {time:DateTime64(3, 'UTC')} LIMIT 1`,
    { project: projectId, event: dashed(row.event_id), time: new Date(row.timestamp_ms).toISOString() },
  );
  if (stored === undefined) return false;
  const made = makeRowFromPayload(stored.payload, {
    projectId,
    eventId: row.event_id,
    primaryHash: row.primary_hash,
    timestampMs: row.timestamp_ms,
    retentionDays: stored.retention_days,
    groupingVersion,
  });
  await analytics.insert("error_events", [made], { deduplicationToken: `verify:${projectId}:${row.event_id}` });
  return true;
}

interface HourRow {
  readonly hash: string;
  readonly hour: number;
  readonly counted: number;
  readonly remembered: number;
}

const setHours = overRows(`
  update error_hash_hours set events = right_one.events
  from (select $int(0) as project_id, $1 as hash, $int(2) as hour, $int(3) as events from $rows) as right_one
  where error_hash_hours.project_id = right_one.project_id and error_hash_hours.hash = right_one.hash
    and error_hash_hours.hour = right_one.hour`);

/** Counters by hour equal the events that are remembered, for hours of which all are. */
async function checkHours(scope: Scope): Promise<void> {
  const { database, projectId, sinceMs, report, repair } = scope;
  // Events come up to 30 days late; one that was received before `since` cannot be of an hour that began a minute later.
  const firstHour = Math.ceil((sinceMs + 60_000) / hourMs);
  await database.transaction(async (transaction: Transaction<IssueTables>) => {
    // Nothing is counted meanwhile, so both sides are of one moment.
    await lockProjects(database, [projectId], transaction);
    const { rows } = await database.run<HourRow>(
      `select counted.hash, counted.hour, counted.events as counted, coalesce(remembered.events, 0) as remembered
      from error_hash_hours as counted
      left join (
        select primary_hash as hash, cast(timestamp_ms / 3600000 as bigint) as hour, count(*) as events
        from error_event_ids where project_id = ? group by 1, 2
      ) as remembered on remembered.hash = counted.hash and remembered.hour = counted.hour
      where counted.project_id = ? and counted.hour >= ?`,
      [projectId, projectId, firstHour],
      transaction,
    );
    report.looked("hours", rows.length);
    const wrong = rows.filter((row) => Number(row.counted) !== Number(row.remembered));
    if (repair === true) {
      const right = wrong.map(({ hash, hour, remembered }) => [projectId, hash, hour, Number(remembered)]);
      await runOverRows(database, setHours, right, transaction);
    }
    for (const { hash, hour, counted, remembered } of wrong)
      report.found({
        check: "hours",
        projectId,
        subject: `${hash} at ${new Date(hour * hourMs).toISOString()}`,
        message: `${counted} events are counted and ${remembered} are known`,
        repaired: repair === true,
      });
  });
}

/** Each issue counts what its hashes count. */
async function checkIssues({ database, projectId, report, repair }: Scope): Promise<void> {
  await database.transaction(async (transaction: Transaction<IssueTables>) => {
    await lockProjects(database, [projectId], transaction);
    const { rows } = await database.run<{ id: number; event_count: number; summed: number }>(
      `select issue.id, issue.event_count, coalesce(sum(owned.event_count), 0) as summed
      from error_issues as issue left join error_hashes as owned on owned.issue_id = issue.id
      where issue.project_id = ? and issue.merged_into is null
      group by issue.id, issue.event_count`,
      [projectId],
      transaction,
    );
    report.looked("issues", rows.length);
    for (const { id, event_count: counted, summed } of rows) {
      if (counted === Number(summed)) continue;
      if (repair === true)
        await database.run("update error_issues set event_count = ? where id = ?", [Number(summed), id], transaction);
      const message = `The issue counts ${counted} events, its hashes ${summed}`;
      report.found({ check: "issues", projectId, subject: String(id), message, repaired: repair === true });
    }
  });
}

const owned = overRows(`
  select known.hash from $rows
  join error_hashes as known on known.project_id = $int(0) and known.hash = $1`);

/** Each row belongs to an issue, unless it waits for its deletion. */
async function checkOwners({ analytics, database, projectId, sinceMs, untilMs, report }: Scope): Promise<void> {
  const rows = await analytics.query<{ primary_hash: string; n: string }>(
    `SELECT primary_hash, count() AS n FROM error_events FINAL
    WHERE project_id = {project:UInt64} AND received_at >= {since:DateTime64(3, 'UTC')}
      AND received_at < {until:DateTime64(3, 'UTC')} AND timestamp >= {earliest:DateTime64(3, 'UTC')}
    GROUP BY primary_hash`,
    {
      project: projectId,
      since: new Date(sinceMs).toISOString(),
      until: new Date(untilMs).toISOString(),
      earliest: new Date(sinceMs - 31 * 24 * hourMs).toISOString(),
    },
    { maxResultRows: 1_000_000 },
  );
  report.looked("owners", rows.length);
  const hashes = rows.map((row) => row.primary_hash.replaceAll("-", ""));
  const known = await runOverRows<{ hash: string }>(
    database,
    owned,
    hashes.map((hash) => [projectId, hash]),
  );
  const waiting = await database.run<{ subject: string }>(
    "select subject from error_deletions where project_id = ? and next_run_at_ms is not null",
    [projectId],
  );
  const fine = new Set([...known.map(({ hash }) => hash), ...waiting.rows.flatMap(({ subject }) => hashesIn(subject))]);
  for (const [index, hash] of hashes.entries())
    if (!fine.has(hash))
      report.found({
        check: "owners",
        projectId,
        subject: hash,
        message: `${rows[index]?.n} rows have a hash that no issue owns`,
        repaired: false,
      });
}

/** The bytes of each attachment and of each event that is kept are there, all of them. */
async function checkBlobs(scope: Scope): Promise<void> {
  const { database, blobs, projectId, sinceMs, untilMs, report } = scope;
  if (blobs === undefined) return;
  await checkPins(scope, blobs);
  let after = 0;
  for (;;) {
    const { rows } = await database.run<{ id: number; event_id: string; name: string; blob: string; bytes: number }>(
      `select id, event_id, name, blob, bytes from error_attachments
      where project_id = ? and received_at_ms >= ? and received_at_ms < ? and id > ? order by id limit ${chunk}`,
      [projectId, sinceMs, untilMs, after],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    after = Number(last.id);
    report.looked("blobs", rows.length);
    for (const { id, event_id, blob, bytes } of rows) {
      const stat = await blobs.stat(blob);
      if (stat?.bytes === Number(bytes)) continue;
      // It may have been deleted, with its row, since the rows were read.
      if (!(await isAttached(database, Number(id)))) continue;
      const message = stat
        ? `The attachment has ${stat.bytes} of ${bytes} bytes`
        : `The ${bytes} bytes of the attachment are gone`;
      report.found({ check: "blobs", projectId, subject: event_id, message, repaired: false });
    }
  }
}

async function checkPins({ database, projectId, sinceMs, untilMs, report }: Scope, blobs: Blobs): Promise<void> {
  let after = "";
  for (;;) {
    const { rows } = await database.run<{ event_id: string; blob: string; bytes: number }>(
      `select event_id, blob, bytes from error_pins where project_id = ? and event_id > ? and blob is not null
        and received_at_ms >= ? and received_at_ms < ? order by event_id limit ${chunk}`,
      [projectId, after, sinceMs, untilMs],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.event_id;
    report.looked("blobs", rows.length);
    for (const { event_id: subject, blob, bytes } of rows) {
      const stat = await blobs.stat(blob);
      if (stat?.bytes === Number(bytes) || !(await referredBlobs(database, [blob])).has(blob)) continue;
      const message = `The event is kept, and ${stat?.bytes ?? 0} of ${bytes} bytes are there`;
      report.found({ check: "blobs", projectId, subject, message, repaired: false });
    }
  }
}

/** The upkeep looks for orphans every hour. */
const orphanGraceMs = 2 * hourMs;

/** Bytes that are kept belong to an attachment, or to a message that may yet bring it. */
async function checkOrphans(
  { database, analytics, blobs, messages, clock }: VerifyDependencies,
  report: Report,
): Promise<void> {
  if (blobs === undefined || messages === undefined) return;
  // While much waits, some of it may be old and carry blobs.
  if (!(await isHandlingAll(analytics, messages.queues))) return;
  const beforeMs = clock.nowMs() - orphanAgeMs - orphanGraceMs;
  for await (const { looked, orphans } of findOrphans(database, blobs, messages.dead, beforeMs)) {
    report.looked("blobs", looked);
    for (const subject of orphans) {
      // It may have been collected, or its message handled, since it was looked at.
      if ((await blobs.stat(subject)) === undefined || (await referredBlobs(database, [subject])).size > 0) continue;
      const message = "The bytes belong to no attachment and to no message";
      report.found({ check: "blobs", projectId: 0, subject, message, repaired: false });
    }
  }
}

/** What is counted and what is handed out changes between two looks; what is really wrong is wrong each time, and alike. */
const looksAtQueue = 8;
const lookPauseMs = 150;

/**
 * What the ledger says to be pending is what the transport holds: every message in the queue is one that the ledger can
 * find, and every event whose rows are still to be written is in the queue.
 */
async function checkPending({ database, messages, clock }: VerifyDependencies, report: Report): Promise<void> {
  if (messages === undefined) return;
  let queue = await comparePending(database, messages);
  let wrong = queue.wrong;
  for (let look = 1; look < looksAtQueue && wrong.length > 0; look++) {
    await clock.sleep(lookPauseMs);
    queue = await comparePending(database, messages);
    wrong = wrong.filter((kind) => queue.wrong.includes(kind));
  }
  report.looked("pending", queue.held);
  for (const kind of wrong)
    report.found({
      check: "pending",
      projectId: 0,
      subject: digestSubscriber,
      message:
        kind === "unwritten"
          ? `${queue.unwritten} events wait for their rows, and the transport holds ${queue.held} messages`
          : `The ledger knows ${queue.known} messages that wait, the transport holds ${queue.held}`,
      repaired: false,
    });
}

interface ComparedQueue {
  /** Messages that the transport holds. */
  readonly held: number;
  /** Those that can be told to be events of some project; null where the transport cannot tell. */
  readonly known: number | null;
  readonly unwritten: number;
  readonly wrong: readonly ("too few" | "too many" | "unwritten")[];
}

async function comparePending(database: Database, queue: QueueState): Promise<ComparedQueue> {
  const before = await countAllPending(queue.queues);
  const known = await queue.queues.countUnsettled(digestSubscriber, "et:");
  const unwritten = await countUnwritten(database, queue);
  const held = await countAllPending(queue.queues);
  const most = Math.max(before, held);
  const wrong: ComparedQueue["wrong"][number][] = [];
  if (known !== null && known < Math.min(before, held)) wrong.push("too few");
  if (known !== null && known > most) wrong.push("too many");
  if (unwritten > most) wrong.push("unwritten");
  return { held, known, unwritten, wrong };
}

async function isAttached(database: Database, id: number): Promise<boolean> {
  const { rows } = await database.run("select id from error_attachments where id = ?", [id]);
  return rows.length > 0;
}

function hashesIn(subject: string): string[] {
  const { hashes = [] }: { hashes?: string[] } = JSON.parse(subject);
  return hashes;
}
