import type { Database, TransactionHandle } from "@signalbox/database";
import { overRows, runOverRows } from "./json-rows.js";

/** A blob that belongs to an event. */
export interface EventAttachment {
  readonly blob: string;
  /** As the client calls it; never used as the name of a file here. */
  readonly name: string;
  readonly content_type?: string | undefined;
  readonly attachment_type?: string | undefined;
  readonly bytes: number;
  readonly sha256: string;
}

export interface AttachmentsOfEvent {
  readonly projectId: number;
  readonly eventId: string;
  readonly receivedAtMs: number;
  readonly attachments: readonly EventAttachment[];
}

const insert = overRows(`
  insert into error_attachments
    (project_id, event_id, blob, name, content_type, attachment_type, bytes, sha256, received_at_ms)
  select $int(0), $1, $2, $3, $4, $5, $int(6), $7, $int(8) from $rows where true
  on conflict (blob) do nothing`);

/** Ties blobs to events. Repeating it changes nothing. */
export async function insertAttachments(
  database: Database,
  events: readonly AttachmentsOfEvent[],
  transaction: TransactionHandle,
): Promise<void> {
  const rows = events.flatMap(({ projectId, eventId, receivedAtMs, attachments }) =>
    attachments.map(({ blob, name, content_type: type, attachment_type: kind, bytes, sha256 }) => [
      projectId,
      eventId,
      blob,
      name,
      type ?? null,
      kind ?? null,
      bytes,
      sha256,
      receivedAtMs,
    ]),
  );
  await runOverRows(database, insert, rows, transaction);
}

const removeOfEvents = overRows(`
  delete from error_attachments where (project_id, event_id) in (select $int(0), $1 from $rows)
  returning blob`);

/** Takes the attachments of events out of the database; resolves with their blobs, which nothing refers to any more. */
export async function removeAttachments(
  database: Database,
  events: readonly { readonly projectId: number; readonly eventId: string }[],
): Promise<string[]> {
  const rows = events.map(({ projectId, eventId }) => [projectId, eventId]);
  const removed = await runOverRows<{ blob: string }>(database, removeOfEvents, rows);
  return removed.map(({ blob }) => blob);
}

const referred = {
  attachments: overRows("select blob from error_attachments where blob in (select $0 from $rows)"),
  pins: overRows("select blob from error_pins where blob in (select $0 from $rows)"),
};

/** Those of the blobs that belong to an event: as its attachment, or as the copy of an event that is kept. */
export async function referredBlobs(database: Database, blobs: readonly string[]): Promise<Set<string>> {
  const keys = blobs.map((blob) => [blob]);
  const attached = await runOverRows<{ blob: string }>(database, referred.attachments, keys);
  const pinned = await runOverRows<{ blob: string }>(database, referred.pins, keys);
  return new Set([...attached, ...pinned].map(({ blob }) => blob));
}
