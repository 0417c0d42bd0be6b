import type { RunResult } from "@signalbox/database";
import type { Delivery, EnqueueResult } from "../transport.js";
import type { PendingBounds } from "./bounds.js";
import type { NewRow } from "./engine.js";
import type { Execute, SqlParts } from "./parts.js";

/** Inserts deliveries: within the bound of their subscription, with their lock, and only ids that are new. */
export async function insertDeliveries(
  deliveries: readonly Delivery[],
  parts: SqlParts,
  execute: Execute,
): Promise<EnqueueResult[]> {
  const { bounds, clock } = parts;
  const nowMs = clock.nowMs();
  if (deliveries.some(({ maxPending }) => maxPending !== null)) await bounds.refresh(deliveries, execute);
  const results: EnqueueResult[] = deliveries.map(() => "enqueued");
  const rows: NewRow[] = [];
  const places: number[] = [];
  for (const [place, delivery] of deliveries.entries()) {
    const row = toRow(delivery, nowMs);
    // Most deliveries have neither a bound nor a lock, and wait for nothing here.
    const answer = isPlain(row) ? undefined : refusalOf(delivery, row, parts, execute);
    const refused = answer instanceof Promise ? await answer : answer;
    if (refused) results[place] = refused;
    else {
      rows.push(row);
      places.push(place);
    }
  }
  if (rows.length > 0) await insertRows(rows, places, results, parts, execute);
  if (results.includes("full")) await tellRepeated(deliveries, results, execute);
  return results;
}

/** Corrects the results of rows whose id was known. */
async function insertRows(
  rows: readonly NewRow[],
  places: readonly number[],
  results: EnqueueResult[],
  parts: SqlParts,
  execute: Execute,
): Promise<void> {
  const { bounds, engine } = parts;
  const count = bounds.statementFor(rows, 1);
  const statements = engine.insert(rows);
  try {
    const inserted = await execute(count ? [...statements, count] : statements);
    for (const index of await repeatedRows(rows, inserted.slice(0, statements.length), parts, execute)) {
      const place = places[index];
      if (place !== undefined) results[place] = "duplicate";
    }
  } catch (error) {
    for (const row of rows) uncount(row, bounds);
    throw error;
  }
}

const knownRow = "select id from event_deliveries where id = ?";

/** Whoever repeats what was accepted is told so, even if there is no room for another one. */
async function tellRepeated(
  deliveries: readonly Delivery[],
  results: EnqueueResult[],
  execute: Execute,
): Promise<void> {
  const refused = deliveries.filter((_, place) => results[place] === "full");
  const [answer] = await execute([{ sql: knownRow, rows: refused.map(({ id }) => [id]) }]);
  const known = new Set(answer?.rows.map((row) => row["id"]));
  for (const [place, { id }] of deliveries.entries())
    if (results[place] === "full" && known.has(id)) results[place] = "duplicate";
}

function isPlain({ boundedBytes, lockName }: NewRow): boolean {
  return boundedBytes === null && lockName === null;
}

/** Why there is to be no row, if so. */
function refusalOf(
  delivery: Delivery,
  row: NewRow,
  { bounds, dedup }: SqlParts,
  execute: Execute,
): EnqueueResult | undefined | Promise<EnqueueResult | undefined> {
  if (row.boundedBytes !== null && !bounds.admit(delivery, row.boundedBytes)) return "full";
  if (!delivery.dedup) return undefined;
  return dedup.take(delivery, execute).then((held) => {
    if (held) uncount(row, bounds);
    return held;
  });
}

/** Places of the rows that were not added because their id was known; they no longer count towards a bound. */
async function repeatedRows(
  rows: readonly NewRow[],
  inserted: readonly RunResult[],
  { bounds, engine }: SqlParts,
  execute: Execute,
): Promise<number[]> {
  const changes = inserted.reduce((sum, result) => sum + result.changes, 0);
  if (changes === rows.length) return [];
  const ids = rows.map(({ id }) => id);
  const lookUp = engine.inserted(ids, changes);
  const answers = !lookUp ? inserted : changes > 0 ? await execute([lookUp]) : [];
  const fresh = new Set(answers.flatMap((result) => result.rows.map((row) => row["id"])));
  // The second of two equal ids in one call is a repetition, too.
  const repeated = [...rows.keys()].filter((index) => !fresh.delete(rows[index]?.id));
  const uncounted = repeated.flatMap((index) => rows[index] ?? []);
  for (const row of uncounted) uncount(row, bounds);
  const correction = bounds.statementFor(uncounted, -1);
  if (correction) await execute([correction]);
  return repeated;
}

function uncount({ subscription, boundedBytes }: NewRow, bounds: PendingBounds): void {
  if (boundedBytes !== null) bounds.note(subscription, -1, -boundedBytes);
}

function toRow(delivery: Delivery, nowMs: number): NewRow {
  return {
    id: delivery.id,
    subscriber: delivery.subscriber,
    subscription: delivery.subscription,
    eventType: delivery.eventType,
    key: delivery.key,
    perKey: delivery.perKey,
    dueAtMs: delivery.dueAtMs || nowMs,
    boundedBytes: delivery.maxPending ? Buffer.byteLength(delivery.body) : null,
    lockName: delivery.dedup ? `${delivery.dedup.until}:${delivery.dedup.lock}` : null,
    body: delivery.body,
  };
}
