import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import { errorCode } from "@signalbox/kernel";
import { isJsonObject } from "@signalbox/sentry-protocol";
import type { IssueTables } from "../store/tables.js";
import type { StoredEvent } from "./find-events.js";
import type { UserNames } from "./hidden-events.js";

/** An event that is kept as long as its issue, whatever became of its rows. */
export interface PinnedEvent {
  readonly eventId: string;
  readonly timestampMs: number;
  readonly blob: string;
}

export interface PinStores {
  readonly database: Database;
  readonly blobs?: Blobs | undefined;
}

/** The pinned events of an issue, without those that somebody asked to delete. */
export async function pinsOfIssue(
  { database, blobs }: PinStores,
  issue: { readonly id: number; readonly project_id: number },
): Promise<PinnedEvent[]> {
  if (blobs === undefined) return [];
  const rows = await database
    .reader<IssueTables>()
    .selectFrom("error_hashes as owned")
    .innerJoin("error_pins as pin", (join) =>
      join.onRef("pin.project_id", "=", "owned.project_id").onRef("pin.primary_hash", "=", "owned.hash"),
    )
    .select(["pin.event_id", "pin.timestamp_ms", "pin.received_at_ms", "pin.blob"])
    .where("owned.issue_id", "=", issue.id)
    .where("pin.blob", "is not", null)
    .execute();
  if (rows.length === 0) return [];
  const erased = await usersToErase(database, issue.project_id);
  const pins: PinnedEvent[] = [];
  for (const { event_id: eventId, timestamp_ms: timestampMs, received_at_ms: receivedAtMs, blob } of rows) {
    if (blob === null) continue;
    const asked = erased.filter(({ untilMs }) => receivedAtMs <= untilMs);
    if (asked.length > 0) {
      const event = await readPin(blobs, blob);
      if (event !== undefined && asked.some(({ user }) => isOfUser(event.payload, user))) continue;
    }
    pins.push({ eventId, timestampMs, blob });
  }
  return pins;
}

/** The issue that a pinned event belongs to. */
export async function issueOfPin(database: Database, projectId: number, eventId: string): Promise<number | undefined> {
  const row = await database
    .reader<IssueTables>()
    .selectFrom("error_pins as pin")
    .innerJoin("error_hashes as owned", (join) =>
      join.onRef("owned.project_id", "=", "pin.project_id").onRef("owned.hash", "=", "pin.primary_hash"),
    )
    .select("owned.issue_id")
    .where("pin.project_id", "=", projectId)
    .where("pin.event_id", "=", eventId)
    .where("pin.blob", "is not", null)
    .executeTakeFirst();
  return row?.issue_id;
}

/** Undefined when it was deleted meanwhile. */
export async function readPin(blobs: Blobs, blob: string): Promise<StoredEvent | undefined> {
  try {
    return JSON.parse(Buffer.from(await blobs.get(blob)).toString("utf8"));
  } catch (error) {
    if (errorCode(error) === "BLOB_NOT_FOUND") return undefined;
    throw error;
  }
}

async function usersToErase(database: Database, projectId: number) {
  const jobs = await database
    .reader<IssueTables>()
    .selectFrom("error_deletions")
    .select(["subject", "requested_at_ms"])
    .where("project_id", "=", projectId)
    .where("kind", "=", "user")
    .where("next_run_at_ms", "is not", null)
    .execute();
  return jobs.map(({ subject, requested_at_ms: untilMs }) => {
    const { user = {} }: { user?: UserNames } = JSON.parse(subject);
    return { user, untilMs };
  });
}

/** Whether the user of an event is one who is named by any of these. */
export function isOfUser(payload: string, { id, email, address }: UserNames): boolean {
  const event: unknown = JSON.parse(payload);
  const user = isJsonObject(event) ? event["user"] : undefined;
  if (!isJsonObject(user)) return false;
  const sent = user["email"];
  return (
    (id !== undefined && id !== "" && user["id"] === id) ||
    (email !== undefined && email !== "" && typeof sent === "string" && sent.toLowerCase() === email.toLowerCase()) ||
    (address !== undefined && address !== "" && user["ip_address"] === address)
  );
}
