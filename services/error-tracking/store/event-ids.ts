import type { Database, TransactionHandle } from "@signalbox/database";
import { type DigestedEvent, primaryHashOf } from "../digest/digested-event.js";
import { overRows, runOverRows } from "./json-rows.js";
import type { EventState } from "./tables.js";

/** What is remembered of an event id. */
export interface KnownEvent {
  readonly state: EventState;
  readonly receivedAtMs: number;
  readonly primaryHash: string;
  readonly timestampMs: number;
  readonly bodyDigest: string;
  readonly sampleWeight: number;
  readonly repeatedAtMs: number | undefined;
}

/** Names an event over all projects. */
export function eventKey({ projectId, eventId }: { readonly projectId: number; readonly eventId: string }): string {
  return `${projectId}:${eventId}`;
}

const claim = overRows(`
  insert into error_event_ids
    (project_id, event_id, received_at_ms, primary_hash, timestamp_ms, state, body_digest, sample_weight)
  select $int(0), $1, $int(2), $3, $int(4), 'counted', $5, $int(6) from $rows where true
  on conflict (project_id, event_id) do nothing
  returning project_id, event_id`);

/**
 * Remembers events as counted, and returns the keys of those that were not known before. Of two transactions that
 * claim one id the second waits for the first.
 */
export async function claimEvents(
  database: Database,
  events: readonly DigestedEvent[],
  transaction: TransactionHandle,
): Promise<Set<string>> {
  const rows = [...events]
    .sort((a, b) => a.projectId - b.projectId || (a.eventId < b.eventId ? -1 : 1))
    .map((event) => [
      event.projectId,
      event.eventId,
      event.receivedAtMs,
      primaryHashOf(event),
      event.timestampMs,
      event.bodyDigest,
      1,
    ]);
  const claimed = await runOverRows<{ project_id: number; event_id: string }>(database, claim, rows, transaction);
  return new Set(claimed.map((row) => eventKey({ projectId: row.project_id, eventId: row.event_id })));
}

const read = overRows(`
  select known.* from $rows
  join error_event_ids as known on known.project_id = $int(0) and known.event_id = $1`);

interface EventIdRow {
  readonly project_id: number;
  readonly event_id: string;
  readonly received_at_ms: number;
  readonly primary_hash: string;
  readonly timestamp_ms: number;
  readonly state: EventState;
  readonly body_digest: string;
  readonly sample_weight: number;
  readonly repeated_at_ms: number | null;
}

export async function readEvents(
  database: Database,
  events: readonly { readonly projectId: number; readonly eventId: string }[],
  transaction: TransactionHandle,
): Promise<Map<string, KnownEvent>> {
  const rows = await runOverRows<EventIdRow>(
    database,
    read,
    events.map(({ projectId, eventId }) => [projectId, eventId]),
    transaction,
  );
  return new Map(
    rows.map((row) => [
      eventKey({ projectId: row.project_id, eventId: row.event_id }),
      {
        state: row.state,
        receivedAtMs: row.received_at_ms,
        primaryHash: row.primary_hash,
        timestampMs: row.timestamp_ms,
        bodyDigest: row.body_digest,
        sampleWeight: row.sample_weight,
        repeatedAtMs: row.repeated_at_ms ?? undefined,
      },
    ]),
  );
}

const repeat = overRows(`
  update error_event_ids set repeated_at_ms = copy.received_at_ms
  from (select $int(0) as project_id, $1 as event_id, $int(2) as received_at_ms from $rows) as copy
  where error_event_ids.project_id = copy.project_id and error_event_ids.event_id = copy.event_id`);

/** Remembers copies that were counted as duplicates, so that delivering their message again counts nothing. */
export async function markRepeated(
  database: Database,
  copies: readonly DigestedEvent[],
  transaction: TransactionHandle,
): Promise<void> {
  const rows = copies.map(({ projectId, eventId, receivedAtMs }) => [projectId, eventId, receivedAtMs]);
  await runOverRows(database, repeat, rows, transaction);
}

/** An event whose rows are known to be in the analytics store. */
export interface RememberedEvent {
  readonly projectId: number;
  readonly eventId: string;
  readonly receivedAtMs: number;
  readonly primaryHash: string;
  readonly timestampMs: number;
  readonly sampleWeight: number;
}

const remember = overRows(`
  insert into error_event_ids
    (project_id, event_id, received_at_ms, primary_hash, timestamp_ms, state, body_digest, sample_weight)
  select $int(0), $1, $int(2), $3, $int(4), 'written', '', $int(5) from $rows where true
  on conflict (project_id, event_id) do nothing`);

/** Remembers events again that were stored long ago, so that they are found like others. */
export async function rememberWritten(
  database: Database,
  events: readonly RememberedEvent[],
  transaction: TransactionHandle,
): Promise<void> {
  const rows = [...events]
    .sort((a, b) => a.projectId - b.projectId || (a.eventId < b.eventId ? -1 : 1))
    .map((event) => [
      event.projectId,
      event.eventId,
      event.receivedAtMs,
      event.primaryHash,
      event.timestampMs,
      event.sampleWeight,
    ]);
  await runOverRows(database, remember, rows, transaction);
}

const write = overRows(`
  update error_event_ids set state = 'written'
  from (select $int(0) as project_id, $1 as event_id from $rows) as done
  where error_event_ids.project_id = done.project_id and error_event_ids.event_id = done.event_id`);

/** Says that the rows of these events are in the analytics store. */
export async function markWritten(
  database: Database,
  events: readonly { readonly projectId: number; readonly eventId: string }[],
  transaction: TransactionHandle,
): Promise<void> {
  const rows = events.map(({ projectId, eventId }) => [projectId, eventId]);
  await runOverRows(database, write, rows, transaction);
}

const drop = overRows(`
  update error_event_ids set state = 'written', sample_weight = 0, primary_hash = ''
  from (select $int(0) as project_id, $1 as event_id from $rows) as gone
  where error_event_ids.project_id = gone.project_id and error_event_ids.event_id = gone.event_id`);

/** Says that these events are done with, have no rows and are in no counter: their weight is 0, and no hash has them. */
export async function markDropped(
  database: Database,
  events: readonly { readonly projectId: number; readonly eventId: string }[],
  transaction: TransactionHandle,
): Promise<void> {
  const rows = events.map(({ projectId, eventId }) => [projectId, eventId]);
  await runOverRows(database, drop, rows, transaction);
}

const weigh = overRows(`
  update error_event_ids set sample_weight = heavy.sample_weight
  from (select $int(0) as project_id, $1 as event_id, $int(2) as sample_weight from $rows) as heavy
  where error_event_ids.project_id = heavy.project_id and error_event_ids.event_id = heavy.event_id`);

/** Says for how many events the rows of these stand; those with 0 are counted and get no rows. */
export async function setWeights(
  database: Database,
  weights: ReadonlyMap<DigestedEvent, number>,
  transaction: TransactionHandle,
): Promise<void> {
  const rows = [...weights].map(([{ projectId, eventId }, weight]) => [projectId, eventId, weight]);
  await runOverRows(database, weigh, rows, transaction);
}
