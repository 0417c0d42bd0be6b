import type { Database, TransactionHandle } from "@signalbox/database";
import { type DigestedEvent, primaryHashOf } from "../digest/digested-event.js";
import { overRows, runOverRows } from "./json-rows.js";
import type { MovedIssue } from "./move-issues.js";

/** Why an event is kept as long as its issue. */
export type PinKind = "first" | "regression";

const insert = overRows(`
  insert into error_pins (project_id, event_id, primary_hash, kind, timestamp_ms, received_at_ms, bytes)
  select $int(0), $1, $2, $3, $int(4), $int(5), 0 from $rows where true
  on conflict (project_id, event_id) do nothing`);

/** Notes that the events that made issues, and those that called issues back, are to be kept; see `keepPins`. */
export async function notePins(
  database: Database,
  firsts: Iterable<DigestedEvent>,
  moved: readonly MovedIssue[],
  transaction: TransactionHandle,
): Promise<void> {
  const row = (kind: PinKind) => (event: DigestedEvent) => {
    const { projectId, eventId, timestampMs, receivedAtMs } = event;
    return [projectId, eventId, primaryHashOf(event), kind, timestampMs, receivedAtMs];
  };
  const regressions = moved.filter(({ kind }) => kind === "regressed").map(({ cause }) => cause);
  const rows = [...[...firsts].map(row("first")), ...regressions.map(row("regression"))];
  await runOverRows(database, insert, rows, transaction);
}

const removeOfEvents = overRows(`
  delete from error_pins where (project_id, event_id) in (select $int(0), $1 from $rows)
  returning blob`);

/** Resolves with the blobs, which nothing refers to any more. */
export async function removePins(
  database: Database,
  events: readonly { readonly projectId: number; readonly eventId: string }[],
  transaction?: TransactionHandle,
): Promise<string[]> {
  const rows = events.map(({ projectId, eventId }) => [projectId, eventId]);
  const removed = await runOverRows<{ blob: string | null }>(database, removeOfEvents, rows, transaction);
  return blobsOf(removed);
}

export function blobsOf(rows: readonly { readonly blob: string | null }[]): string[] {
  return rows.flatMap(({ blob }) => blob ?? []);
}
