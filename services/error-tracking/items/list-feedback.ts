import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { type Direction, type KeysetPage, keysetPage } from "../keyset-page.js";
import { keptSinceMs } from "../projects/project-settings.js";
import type { IssueTables } from "../store/tables.js";

/** Where a page begins: behind or before this entry. */
export type FeedbackPosition = readonly [direction: Direction, receivedAtMs: number, id: number];

export function isFeedbackPosition(value: unknown): value is FeedbackPosition {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [direction, receivedAtMs, id] = value;
  return (
    (direction === "next" || direction === "prev") && Number.isSafeInteger(receivedAtMs) && Number.isSafeInteger(id)
  );
}

export interface StoredFeedback {
  readonly id: number;
  readonly feedback_id: string;
  readonly event_id: string | null;
  /** Number of the issue that the event belongs to. */
  readonly issue_id: number | null;
  readonly name: string | null;
  readonly email: string | null;
  readonly message: string;
  readonly url: string | null;
  readonly replay_id: string | null;
  readonly release: string | null;
  readonly environment: string | null;
  readonly received_at_ms: number;
}

/** What people said, the newest first: of a project, or of one of its issues. */
export async function listFeedback(
  { database, clock }: { readonly database: Database; readonly clock: Clock },
  projectId: number,
  issueId: number | undefined,
  limit: number,
  from: FeedbackPosition | undefined,
): Promise<KeysetPage<StoredFeedback, FeedbackPosition>> {
  const [direction, receivedAtMs, id] = from ?? [];
  const backwards = direction === "prev";
  let query = database
    .reader<IssueTables>()
    .selectFrom("error_feedback as said")
    .leftJoin("error_hashes as owned", (join) =>
      join.onRef("owned.project_id", "=", "said.project_id").onRef("owned.hash", "=", "said.primary_hash"),
    )
    .selectAll("said")
    .select("owned.issue_id")
    .where("said.project_id", "=", projectId)
    .where("said.received_at_ms", ">=", await keptSinceMs(database, projectId, clock.nowMs(), "feedback"))
    .orderBy("said.received_at_ms", backwards ? "asc" : "desc")
    .orderBy("said.id", backwards ? "asc" : "desc")
    .limit(limit + 1);
  if (issueId !== undefined) query = query.where("owned.issue_id", "=", issueId);
  if (receivedAtMs !== undefined && id !== undefined) {
    const beyond = backwards ? ">" : "<";
    query = query.where((row) =>
      row.or([
        row("said.received_at_ms", beyond, receivedAtMs),
        row.and([row("said.received_at_ms", "=", receivedAtMs), row("said.id", beyond, id)]),
      ]),
    );
  }
  const rows = await query.execute();
  return keysetPage(rows, limit, direction, (row, way) => [way, row.received_at_ms, row.id]);
}
