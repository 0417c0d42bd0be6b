import type { Database, TransactionHandle } from "@signalbox/database";
import type { DigestedEvent } from "../digest/digested-event.js";
import { overRows, runOverRows } from "./json-rows.js";

const find = overRows(`
  select known.counter, known.slot from $rows
  join error_quota_windows as known on known.counter like $0 and known.ends_at_ms > $int(1)`);

const giveBack = overRows(`
  update error_quota_windows set used = error_quota_windows.used - less.events
  from (select $0 as counter, $int(1) as slot, $int(2) as events from $rows) as less
  where error_quota_windows.counter = less.counter and error_quota_windows.slot = less.slot`);

/**
 * Gives quotas back what events used that nobody wants, in windows that are not over. They were counted when they came in;
 * whoever counts hears of it within a second.
 */
export async function refundQuotas(
  database: Database,
  events: readonly DigestedEvent[],
  nowMs: number,
  transaction: TransactionHandle,
): Promise<void> {
  if (events.length === 0) return;
  const owners = new Set(events.flatMap(ownersOf));
  const windows = await runOverRows<{ counter: string; slot: number }>(
    database,
    find,
    [...owners].map((owner) => [`${owner}:%`, nowMs]),
    transaction,
  );
  const rows = windows.flatMap(({ counter, slot }) => {
    const [, owner = "", windowS, categories = ""] = /^(\w+:\d+):(\d+):(.*)$/.exec(counter) ?? [];
    const counts = (event: DigestedEvent): boolean =>
      ownersOf(event).includes(owner) &&
      Math.floor(event.receivedAtMs / (Number(windowS) * 1000)) === Number(slot) &&
      (categories === "" || categories.split(";").includes(event.category));
    const used = events.filter(counts).length;
    return used === 0 ? [] : [[counter, Number(slot), used] as const];
  });
  // In the order in which everybody else takes them.
  rows.sort(([a], [b]) => (a < b ? -1 : 1));
  await runOverRows(database, giveBack, rows, transaction);
}

/** How the names of the quotas begin that an event counts against; see `ownQuotas`. */
function ownersOf({ projectId, keyId }: DigestedEvent): string[] {
  return ["organization:0", `project:${projectId}`, `key:${keyId}`];
}
