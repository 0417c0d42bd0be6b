import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { attachmentNamespace } from "../edge/ingest-limits.js";
import { readStoredEvents, type StoredEvent } from "../issues/find-events.js";
import type { UserNames } from "../issues/hidden-events.js";
import { isOfUser, readPin } from "../issues/pinned-events.js";
import { blobsOf, removePins } from "../store/pins.js";

export interface PinDependencies {
  readonly database: Database;
  readonly analytics: Analytics;
  /** Without it nothing can be kept. */
  readonly blobs?: Blobs | undefined;
  readonly clock: Clock;
}

interface PinToCopy {
  readonly project_id: number;
  readonly event_id: string;
  readonly timestamp_ms: number;
  readonly received_at_ms: number;
}

const pinsAtOnce = 200;
const regressionsKept = 20;
/** What has no rows by then was deleted, or could never be written. */
const patienceMs = 86_400_000;

/**
 * Copies the events that are to be kept as long as their issues, and lets go of regressions beyond the newest 20 of an
 * issue. Several processes may do it at once, and one may be killed at any point: a copy that no pin refers to is collected
 * with the orphans. Resolves with how many were copied.
 */
export async function keepPins(dependencies: PinDependencies, signal?: AbortSignal): Promise<number> {
  const { database, blobs, clock } = dependencies;
  let copied = 0;
  let afterMs = -1;
  for (;;) {
    const { rows } = await database.run<PinToCopy>(
      `select project_id, event_id, timestamp_ms, received_at_ms from error_pins
      where blob is null and received_at_ms > ? order by received_at_ms limit ${pinsAtOnce}`,
      [afterMs],
    );
    const last = rows.at(-1);
    if (last === undefined || signal?.aborted) break;
    const missing: PinToCopy[] = [];
    for (const [projectId, pins] of byProject(rows)) {
      const found = blobs === undefined ? new Map() : await readAll(dependencies, projectId, pins);
      for (const pin of pins) {
        const event = found.get(pin.event_id);
        if (event === undefined) missing.push(pin);
        else if (blobs !== undefined && (await copy(database, blobs, projectId, event))) copied++;
      }
    }
    const given = missing.filter(({ received_at_ms: atMs }) => atMs < clock.nowMs() - patienceMs);
    await removePins(
      database,
      given.map(({ project_id: projectId, event_id: eventId }) => ({ projectId, eventId })),
    );
    // More than one batch may have been received in one millisecond; the next round finds those.
    afterMs = last.received_at_ms;
  }
  if (copied > 0) await forgetOldRegressions(database, blobs);
  return copied;
}

function byProject(pins: readonly PinToCopy[]): Map<number, PinToCopy[]> {
  const projects = new Map<number, PinToCopy[]>();
  for (const pin of pins) {
    const others = projects.get(pin.project_id);
    if (others) others.push(pin);
    else projects.set(pin.project_id, [pin]);
  }
  return projects;
}

async function readAll(
  stores: PinDependencies,
  projectId: number,
  pins: readonly PinToCopy[],
): Promise<ReadonlyMap<string, StoredEvent>> {
  const times = pins.map(({ timestamp_ms: atMs }) => atMs);
  const events = await readStoredEvents(stores, projectId, {
    eventIds: pins.map(({ event_id: eventId }) => eventId),
    fromMs: Math.min(...times),
    untilMs: Math.max(...times),
  });
  return new Map(events.map((event) => [event.eventId, event]));
}

/** False when somebody else was faster, or the pin is gone. */
async function copy(database: Database, blobs: Blobs, projectId: number, event: StoredEvent): Promise<boolean> {
  const { key, bytes } = await blobs.put(Buffer.from(JSON.stringify(event)), { namespace: attachmentNamespace });
  const { changes } = await database.run(
    "update error_pins set blob = ?, bytes = ? where project_id = ? and event_id = ? and blob is null",
    [key, bytes, projectId, event.eventId],
  );
  if (changes === 0) await blobs.delete(key);
  return changes > 0;
}

async function forgetOldRegressions(database: Database, blobs: Blobs | undefined): Promise<void> {
  const { rows } = await database.run<{ blob: string | null }>(
    `delete from error_pins where kind = 'regression' and (project_id, event_id) in (
      select project_id, event_id from (
        select pin.project_id, pin.event_id,
          row_number() over (partition by owned.issue_id order by pin.timestamp_ms desc, pin.event_id) as place
        from error_pins as pin
        join error_hashes as owned on owned.project_id = pin.project_id and owned.hash = pin.primary_hash
        where pin.kind = 'regression'
      ) as placed where place > ${regressionsKept}
    ) returning blob`,
  );
  for (const blob of blobsOf(rows)) await blobs?.delete(blob);
}

/** Lets go of the pinned events of a user that were received until then; their rows may be long gone. Resolves with how many. */
export async function removePinsOfUser(
  { database, blobs }: Pick<PinDependencies, "database" | "blobs">,
  projectId: number,
  user: UserNames,
  untilMs: number,
): Promise<number> {
  if (blobs === undefined) return 0;
  let removed = 0;
  let after = "";
  for (;;) {
    const { rows } = await database.run<{ event_id: string; blob: string }>(
      `select event_id, blob from error_pins where project_id = ? and event_id > ? and received_at_ms <= ?
        and blob is not null order by event_id limit ${pinsAtOnce}`,
      [projectId, after, untilMs],
    );
    if (rows.length === 0) return removed;
    for (const { event_id: eventId, blob } of rows) {
      after = eventId;
      const event = await readPin(blobs, blob);
      if (event === undefined || !isOfUser(event.payload, user)) continue;
      for (const key of await removePins(database, [{ projectId, eventId }])) await blobs.delete(key);
      removed++;
    }
  }
}
