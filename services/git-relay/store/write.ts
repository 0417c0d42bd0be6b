import type { Database, SqlValue } from "@signalbox/database";
import {
  addressOf,
  encodeEvent,
  formatAddress,
  indexedTags,
  kinds,
  readDeletion,
  type VerifiedEvent,
} from "@signalbox/nostr";
import type { EndOf } from "../event-end.js";
import { turnAfter } from "./facts.js";
import { addressColumn, addressKey, indexKey } from "./index-key.js";
import type { EventUnit, NewEvent } from "./port.js";
import { chunksOf, inList } from "./statement.js";

/** Where the statements of a unit run. */
interface Target {
  readonly database: Database;
  readonly transaction: EventUnit["transaction"];
}

/** And how they decide. */
export interface WriteContext extends Target {
  readonly nowMs: number;
  readonly endOf: EndOf;
  /** Whether whom a gift wrap is for may delete it like its author. */
  readonly recipientsDelete: boolean;
}

/** SQLite holds the event loop for about 10 µs a row. */
const rowsAtOnce = 1_000;
const addressesPerTurn = 256;

const insertEvent = `insert into relay_events
  (id, pubkey, kind, created_at, d, expires_at, first_seen_at, source, peer, correlation_id, anchor, raw)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const insertTag = "insert into relay_event_tags (name, value, created_at, id, kind) values (?, ?, ?, ?, ?)";

export async function storeEvents(context: WriteContext, events: readonly NewEvent[]): Promise<void> {
  const kept = [...new Map(events.map((added) => [versionKey(added.event), added])).values()];
  const replaceable = kept.flatMap(({ event }) => {
    const d = addressColumn(event);
    return d === null ? [] : [[event.pubkey, event.kind, d] as const];
  });
  if (replaceable.length > 0) {
    const removal = "delete from relay_events where pubkey = ? and kind = ? and d = ? returning id";
    const [replaced] = await context.database.batch([{ sql: removal, rows: replaceable }], context.transaction);
    await removeTags(
      context,
      (replaced?.rows ?? []).map((row) => String(row["id"])),
    );
  }
  await runRows(
    context,
    insertEvent,
    kept.map((added) => eventRow(added, context)),
  );
  await runRows(
    context,
    insertTag,
    kept.flatMap(({ event }) => tagRows(event)),
  );
}

/** Events of one address are versions of one thing. */
function versionKey(event: VerifiedEvent): string {
  const address = addressOf(event);
  return address ? formatAddress(address) : event.id;
}

function eventRow({ event, origin, anchor }: NewEvent, { nowMs, endOf }: WriteContext): readonly SqlValue[] {
  return [
    event.id,
    event.pubkey,
    event.kind,
    event.created_at,
    addressColumn(event),
    endOf(event) ?? null,
    nowMs,
    origin.source,
    origin.peer ?? null,
    origin.correlationId,
    anchor,
    encodeEvent(event),
  ];
}

/** Different values never share a key, so no row is there twice. */
function tagRows(event: VerifiedEvent): readonly SqlValue[][] {
  return indexedTags(event).map(([name, value]) => [name, indexKey(value), event.created_at, event.id, event.kind]);
}

async function runRows(context: Target, sql: string, rows: readonly (readonly SqlValue[])[]): Promise<void> {
  for (const [index, chunk] of chunksOf(rows, rowsAtOnce).entries()) {
    if (index > 0) await nextTurn();
    await context.database.runMany(sql, chunk, context.transaction);
  }
}

export async function setEnds(context: WriteContext, ends: ReadonlyMap<string, number>): Promise<void> {
  await runRows(
    context,
    "update relay_events set expires_at = ? where id = ?",
    [...ends].map(([id, end]) => [end, id]),
  );
}

/** Removes events with their tags. */
export async function removeEvents(context: Target, ids: readonly string[]): Promise<void> {
  const rows = ids.map((id) => [id]);
  await runRows(context, "delete from relay_events where id = ?", rows);
  await removeTags(context, ids);
}

async function removeTags(context: Target, ids: readonly string[]): Promise<void> {
  await runRows(
    context,
    "delete from relay_event_tags where id = ?",
    ids.map((id) => [id]),
  );
}

const rememberDeletion = `insert into relay_deletions (target, pubkey, until, deletion_id) values (?, ?, ?, ?)
  on conflict (target, pubkey) do update set until = excluded.until, deletion_id = excluded.deletion_id
  where excluded.until > relay_deletions.until`;

/** Removes what a deletion names and its author wrote, and remembers it for what may still come. */
export async function applyDeletion(context: WriteContext, event: VerifiedEvent): Promise<string[]> {
  const deletion = readDeletion(event);
  if (!deletion) return [];
  const found: string[] = [];
  const query = async (sql: string, values: readonly SqlValue[]): Promise<void> => {
    const { rows } = await context.database.run<{ id: string }>(sql, values, context.transaction);
    for (const { id } of rows) found.push(id);
  };
  for (const chunk of chunksOf(deletion.ids, 500)) {
    const list = inList("id", chunk);
    await query(`select id from relay_events where ${list.sql} and pubkey = ? and kind <> ${kinds.deletion}`, [
      ...list.values,
      event.pubkey,
    ]);
    if (!context.recipientsDelete) continue;
    const isFor = "exists (select 1 from relay_event_tags x where x.id = e.id and x.name = 'p' and x.value = ?)";
    await query(
      `select e.id from relay_events e where ${inList("e.id", chunk).sql} and e.kind = ${kinds.giftWrap} and ${isFor}`,
      [...list.values, indexKey(event.pubkey)],
    );
  }
  const pace = turnAfter(addressesPerTurn);
  for (const { kind, identifier } of deletion.addresses) {
    await pace();
    await query("select id from relay_events where pubkey = ? and kind = ? and d = ? and created_at <= ?", [
      event.pubkey,
      kind,
      indexKey(identifier),
      event.created_at,
    ]);
  }
  await runRows(context, rememberDeletion, [
    ...deletion.ids.map((id) => [id, event.pubkey, null, event.id]),
    ...deletion.addresses.map((address) => [addressKey(address), event.pubkey, event.created_at, event.id]),
  ]);
  const removed = [...new Set(found)];
  await removeEvents(context, removed);
  return removed;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
