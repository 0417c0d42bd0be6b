import type { Database, TransactionHandle } from "@signalbox/database";
import { type CountedEvent, type DigestedEvent, primaryHashOf } from "../digest/digested-event.js";
import { assignIssues, type CreatedIssue, type ExplainHash, type IssueOfEvent } from "./assign-issues.js";
import { insertAttachments } from "./attachments.js";
import { lockProjects, type ProjectCounter } from "./counters.js";
import {
  claimEvents,
  eventKey,
  type KnownEvent,
  markDropped,
  markRepeated,
  type RememberedEvent,
  readEvents,
  rememberWritten,
  setWeights,
} from "./event-ids.js";
import { hasUnlinkedFeedback, linkFeedback } from "./feedback.js";
import { growthOf } from "./growth.js";
import { countHashes, type HashCount, hashKey, readOwners } from "./hashes.js";
import { growIssues } from "./issues.js";
import { overRows, runOverRows } from "./json-rows.js";
import { addToLedger, type LedgerEntry } from "./ledger.js";
import { type MovedIssue, moveIssues } from "./move-issues.js";
import { notePins } from "./pins.js";
import { refundQuotas } from "./refund-quotas.js";
import { sightReleases } from "./releases.js";
import { sampleStorm } from "./sample-storm.js";

export interface RecordedBatch {
  /** Events whose rows must be in the analytics store: new ones, and ones counted before whose writing was cut off. */
  readonly toWrite: readonly CountedEvent[];
  readonly created: readonly CreatedIssue[];
  /** Issues that these events called back or made heard again. */
  readonly moved: readonly MovedIssue[];
  /** One ledger entry for each message that was counted now. */
  readonly outcomes: readonly LedgerEntry[];
  /** Blobs of attachments whose events are not kept. */
  readonly abandoned: readonly string[];
}

export interface RecordOptions {
  readonly explain: ExplainHash;
  /** What the analytics store knows of events whose ids are no longer remembered here. */
  readonly recalled?: readonly RememberedEvent[];
  /** Events of one hash and hour that all get rows; of further ones a part does. Absent: all do. */
  readonly keepPerHour?: number;
}

/**
 * Counts a batch of events, each exactly once however often and by however many workers its message is delivered:
 * remembers the ids, finds or makes the issues, moves every counter and the ledger, all inside one transaction.
 * A few statements over many rows each; none per event.
 */
export async function recordEvents(
  database: Database,
  events: readonly DigestedEvent[],
  nowMs: number,
  transaction: TransactionHandle,
  { explain, recalled = [], keepPerHour = Number.POSITIVE_INFINITY }: RecordOptions,
): Promise<RecordedBatch> {
  const living = await existingProjects(database, events, transaction);
  const present = events.filter(({ projectId }) => living.has(projectId));
  const gone = events.filter(({ projectId }) => !living.has(projectId));
  const locked = await lockProjects(database, [...living], transaction);
  await rememberWritten(database, recalled, transaction);
  const sorted = await sortByHistory(database, present, transaction);
  const { allowed, refused } = await withoutDisabledKeys(database, sorted.fresh, transaction);
  const { wanted, discarded } = await withoutDiscarded(database, allowed, transaction);
  await refundQuotas(database, discarded, nowMs, transaction);
  const { issues, created } = await assignIssues(database, wanted, locked, nowMs, transaction, explain);
  const hours = await count(database, issues, created, locked, nowMs, transaction);
  const causes = new Set(created.map(({ cause }) => cause));
  const newReleases = await sightReleases(database, wanted, causes, transaction);
  const moved = await moveIssues(database, issues, newReleases, hours, nowMs, transaction);
  await notePins(database, causes, moved, transaction);
  await markRepeated(database, sorted.copies, transaction);
  const kept = new Set([...causes, ...moved.map(({ cause }) => cause)]);
  const weights = await sampleStorm(database, issues, hours, { keepPerHour, kept }, transaction);
  await setWeights(database, weights, transaction);
  const isSampled = (event: DigestedEvent): boolean => weights.get(event) === 0;
  await insertAttachments(
    database,
    wanted.filter((event) => !isSampled(event)),
    transaction,
  );
  if (await hasUnlinkedFeedback(database, transaction)) await linkFeedback(database, wanted, transaction);
  const ends: (readonly [DigestedEvent, End])[] = [
    ...wanted.map((event) => [event, isSampled(event) ? sampled : stored] as const),
    ...refused.map((event) => [event, { outcome: "rate_limited", reason: "quota" }] as const),
    ...discarded.map((event) => [event, { outcome: "discarded", reason: "issue_discarded" }] as const),
    ...sorted.copies.map((event) => [event, { outcome: "duplicate", reason: sorted.reasonOf(event) }] as const),
    ...gone.map((event) => [event, { outcome: "invalid", reason: "project_gone" }] as const),
  ];
  const outcomes = ends.map(([event, end]) => outcome(event, end));
  const entries = [...outcomes, ...ends.flatMap(([event, end]) => outcomeOfAttachments(event, end))];
  const receipts = entries.map((entry): LedgerEntry => ({ ...entry, outcome: "received", reason: "" }));
  await addToLedger(database, [...receipts, ...entries], transaction);
  const resumed = await resume(database, sorted.resumed, transaction);
  const toWrite = [...issues.map((issue) => toCounted(issue, weights)), ...resumed];
  const abandoned = ends.flatMap(([event, end]) => (end === stored ? [] : event.attachments.map(({ blob }) => blob)));
  return { toWrite, created, moved, outcomes, abandoned };
}

const findProjects = overRows("select id from projects where id in (select $int(0) from $rows)");

export async function existingProjects(
  database: Database,
  events: readonly { readonly projectId: number }[],
  transaction: TransactionHandle,
): Promise<Set<number>> {
  const ids = [...new Set(events.map(({ projectId }) => projectId))];
  const rows = await runOverRows<{ id: number }>(
    database,
    findProjects,
    ids.map((id) => [id]),
    transaction,
  );
  return new Set(rows.map(({ id }) => id));
}

interface ResumedEvent {
  readonly digested: DigestedEvent;
  readonly known: KnownEvent;
}

interface SortedEvents {
  /** Seen for the first time. */
  readonly fresh: readonly DigestedEvent[];
  /** Counted by an earlier delivery of the same message, whose rows may be missing. */
  readonly resumed: readonly ResumedEvent[];
  /** Sent again by the client: another message with an id that is taken. */
  readonly copies: readonly DigestedEvent[];
  reasonOf(copy: DigestedEvent): "same_content" | "id_conflict";
}

async function sortByHistory(
  database: Database,
  events: readonly DigestedEvent[],
  transaction: TransactionHandle,
): Promise<SortedEvents> {
  const first = new Map<string, DigestedEvent>();
  for (const event of events) if (!first.has(eventKey(event))) first.set(eventKey(event), event);
  const claimed = await claimEvents(database, [...first.values()], transaction);
  const others = events.filter((event) => !claimed.has(eventKey(event)) || first.get(eventKey(event)) !== event);
  const known = await readEvents(database, others, transaction);
  const resumed: ResumedEvent[] = [];
  const copies: DigestedEvent[] = [];
  for (const event of others) {
    const before = known.get(eventKey(event));
    if (before === undefined) throw new Error("An event id that could not be claimed is not there.");
    if (event.receivedAtMs === before.receivedAtMs) {
      if (before.state === "counted") resumed.push({ digested: event, known: before });
    } else if (event.receivedAtMs !== before.repeatedAtMs) copies.push(event);
  }
  return {
    fresh: [...first.values()].filter((event) => claimed.has(eventKey(event))),
    resumed,
    copies,
    reasonOf: (copy) => (known.get(eventKey(copy))?.bodyDigest === copy.bodyDigest ? "same_content" : "id_conflict"),
  };
}

async function count(
  database: Database,
  issues: readonly IssueOfEvent[],
  created: readonly CreatedIssue[],
  locked: ReadonlyMap<number, ProjectCounter>,
  nowMs: number,
  transaction: TransactionHandle,
): Promise<HashCount[]> {
  const growth = growthOf(issues, nowMs);
  const hours = await countHashes(database, growth, transaction);
  const isNew = new Set(created.map(({ issueId }) => issueId));
  const grown = growth.issues
    .filter(({ issueId }) => !isNew.has(issueId))
    .map(({ issueId, projectId, growth: more }) => ({
      issueId,
      changeSeq: locked.get(projectId)?.changeSeq ?? 0,
      growth: more,
    }));
  await growIssues(database, grown, nowMs, transaction);
  return hours;
}

const findDisabled = overRows("select id from project_keys where active = 0 and id in (select $int(0) from $rows)");

/** What came with a key that was disabled while it waited is refused as if it came now. */
async function withoutDisabledKeys(
  database: Database,
  fresh: readonly DigestedEvent[],
  transaction: TransactionHandle,
): Promise<{ readonly allowed: readonly DigestedEvent[]; readonly refused: readonly DigestedEvent[] }> {
  const keyIds = [...new Set(fresh.map(({ keyId }) => keyId))];
  const rows = await runOverRows<{ id: number }>(
    database,
    findDisabled,
    keyIds.map((id) => [id]),
    transaction,
  );
  if (rows.length === 0) return { allowed: fresh, refused: [] };
  const disabled = new Set(rows.map(({ id }) => id));
  const refused = fresh.filter(({ keyId }) => disabled.has(keyId));
  await markDropped(database, refused, transaction);
  return { allowed: fresh.filter(({ keyId }) => !disabled.has(keyId)), refused };
}

const findDiscarded = overRows(`
  select unwanted.project_id, unwanted.hash, unwanted.until_ms from $rows
  join error_discarded_hashes as unwanted on unwanted.project_id = $int(0) and unwanted.hash = $1`);

/**
 * Events of issues that were discarded end here, and those that waited while their issue was deleted; they are remembered
 * like others, and have no rows to wait for.
 */
async function withoutDiscarded(
  database: Database,
  fresh: readonly DigestedEvent[],
  transaction: TransactionHandle,
): Promise<{ readonly wanted: readonly DigestedEvent[]; readonly discarded: readonly DigestedEvent[] }> {
  const keys = new Map(
    fresh
      .flatMap((event) => allHashesOf(event).map((hash) => ({ projectId: event.projectId, hash })))
      .map((key) => [hashKey(key), key]),
  );
  const rows = await runOverRows<{ project_id: number; hash: string; until_ms: number | null }>(
    database,
    findDiscarded,
    [...keys.values()].map(({ projectId, hash }) => [projectId, hash]),
    transaction,
  );
  if (rows.length === 0) return { wanted: fresh, discarded: [] };
  const untilMs = new Map(
    rows.map((row) => [
      hashKey({ projectId: row.project_id, hash: row.hash }),
      row.until_ms === null ? Number.POSITIVE_INFINITY : Number(row.until_ms),
    ]),
  );
  const isUnwanted = (event: DigestedEvent): boolean =>
    allHashesOf(event).some(
      (hash) => event.receivedAtMs <= (untilMs.get(hashKey({ projectId: event.projectId, hash })) ?? 0),
    );
  const discarded = fresh.filter(isUnwanted);
  await discardNewHashes(database, discarded, transaction);
  await markDropped(database, discarded, transaction);
  return { wanted: fresh.filter((event) => !isUnwanted(event)), discarded };
}

function allHashesOf({ hashes, formerHashes = [] }: DigestedEvent): string[] {
  return [...hashes.map(({ hash }) => hash), ...formerHashes];
}

const discardToo = overRows(`
  insert into error_discarded_hashes (project_id, hash, title, actor, at_ms, until_ms)
  select known.project_id, $1, known.title, known.actor, known.at_ms, known.until_ms from $rows
  join error_discarded_hashes as known on known.project_id = $int(0) and known.hash = $2
  on conflict (project_id, hash) do nothing`);

/** What was discarded under the algorithm before stays so when that is not asked any more. */
async function discardNewHashes(
  database: Database,
  discarded: readonly DigestedEvent[],
  transaction: TransactionHandle,
): Promise<void> {
  const rows = discarded.flatMap(({ projectId, hashes, formerHashes = [] }) =>
    formerHashes.flatMap((former) => hashes.map(({ hash }) => [projectId, hash, former])),
  );
  if (rows.length > 0) await runOverRows(database, discardToo, rows, transaction);
}

/** The rows of a resumed event must be the very rows that the first delivery wrote or would have written. */
async function resume(
  database: Database,
  resumed: readonly ResumedEvent[],
  transaction: TransactionHandle,
): Promise<CountedEvent[]> {
  const keys = resumed.map(({ digested, known }) => ({ projectId: digested.projectId, hash: known.primaryHash }));
  const owners = await readOwners(database, keys, transaction);
  return resumed.flatMap(({ digested, known }) => {
    const issueId = owners.get(hashKey({ projectId: digested.projectId, hash: known.primaryHash }));
    // Its issue was deleted meanwhile, and the rows are to be gone as well.
    if (issueId === undefined) return [];
    const { primaryHash, timestampMs, sampleWeight } = known;
    return [{ digested, issueId, primaryHash, timestampMs, sampleWeight }];
  });
}

function toCounted({ digested, issueId }: IssueOfEvent, weights: ReadonlyMap<DigestedEvent, number>): CountedEvent {
  return {
    digested,
    issueId,
    primaryHash: primaryHashOf(digested),
    timestampMs: digested.timestampMs,
    sampleWeight: weights.get(digested) ?? 1,
  };
}

type End = Pick<LedgerEntry, "outcome" | "reason">;

const stored: End = { outcome: "stored" };
const sampled: End = { outcome: "sampled", reason: "storm" };

/** Attachments end as their event does. */
function outcomeOfAttachments(event: DigestedEvent, end: End): LedgerEntry[] {
  const quantity = event.attachments.length;
  return quantity === 0 ? [] : [{ ...outcome(event, end), category: "attachment", quantity }];
}

function outcome(event: DigestedEvent, end: End): LedgerEntry {
  return {
    projectId: event.projectId,
    keyId: event.keyId,
    category: event.category,
    receivedAtMs: event.receivedAtMs,
    ...end,
  };
}
