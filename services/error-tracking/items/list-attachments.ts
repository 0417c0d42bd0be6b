import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { isEventHidden } from "../issues/find-events.js";
import { keptSinceMs } from "../projects/project-settings.js";
import type { IssueTables } from "../store/tables.js";

export interface StoredAttachment {
  /** 1 for the first of its event. */
  readonly n: number;
  readonly blob: string;
  readonly name: string;
  readonly contentType: string | undefined;
  readonly attachmentType: string | undefined;
  readonly bytes: number;
  readonly sha256: string;
  readonly receivedAtMs: number;
}

export interface AttachmentStores {
  readonly database: Database;
  readonly analytics: Analytics;
  readonly clock: Clock;
}

/**
 * The attachments of an event, in the order in which they were received; also of an event that was never sent. None of one
 * whose issue is gone.
 */
export async function listAttachments(
  stores: AttachmentStores,
  projectId: number,
  eventId: string,
): Promise<StoredAttachment[]> {
  const { database, clock } = stores;
  const rows = await database
    .reader<IssueTables>()
    .selectFrom("error_attachments")
    .selectAll()
    .where("project_id", "=", projectId)
    .where("event_id", "=", eventId)
    .where("received_at_ms", ">=", await keptSinceMs(database, projectId, clock.nowMs(), "attachments"))
    .orderBy("id")
    .execute();
  if (rows.length === 0 || (await isEventHidden(stores, projectId, eventId))) return [];
  return rows.map((row, index) => ({
    n: index + 1,
    blob: row.blob,
    name: row.name,
    contentType: row.content_type ?? undefined,
    attachmentType: row.attachment_type ?? undefined,
    bytes: row.bytes,
    sha256: row.sha256,
    receivedAtMs: row.received_at_ms,
  }));
}
