import type { Database, TransactionHandle } from "@signalbox/database";
import type { Feedback } from "../items/read-feedback.js";
import { overRows, runOverRows } from "./json-rows.js";

const insert = overRows(`
  insert into error_feedback
    (project_id, feedback_id, event_id, name, email, message, url, replay_id, release, environment, received_at_ms)
  select $int(0), $1, $2, $3, $4, $5, $6, $7, $8, $9, $int(10) from $rows where true
  on conflict (project_id, feedback_id) do nothing`);

/** Keeps feedback; what is known already stays as it is. */
export async function insertFeedback(
  database: Database,
  feedback: readonly (Feedback & { readonly projectId: number })[],
  transaction: TransactionHandle,
): Promise<void> {
  const rows = feedback.map((said) => [
    said.projectId,
    said.feedbackId,
    said.eventId ?? null,
    said.name ?? null,
    said.email ?? null,
    said.message,
    said.url ?? null,
    said.replayId ?? null,
    said.release ?? null,
    said.environment ?? null,
    said.receivedAtMs,
  ]);
  await runOverRows(database, insert, rows, transaction);
}

const link = overRows(`
  update error_feedback set primary_hash = known.primary_hash
  from $rows join error_event_ids as known on known.project_id = $int(0) and known.event_id = $1
  where error_feedback.project_id = known.project_id and error_feedback.event_id = known.event_id
    and error_feedback.primary_hash is null`);

/**
 * Ties feedback to the issues of these events, where both are known. Called by whoever comes second; the projects must
 * be locked, so that one of the two sees the other.
 */
export async function linkFeedback(
  database: Database,
  events: readonly { readonly projectId: number; readonly eventId: string }[],
  transaction: TransactionHandle,
): Promise<void> {
  const rows = events.map(({ projectId, eventId }) => [projectId, eventId]);
  await runOverRows(database, link, rows, transaction);
}

/** Whether any feedback waits for its event. Cheap, and mostly no. */
export async function hasUnlinkedFeedback(database: Database, transaction: TransactionHandle): Promise<boolean> {
  const { rows } = await database.run(
    "select 1 from error_feedback where primary_hash is null and event_id is not null limit 1",
    [],
    transaction,
  );
  return rows.length > 0;
}
