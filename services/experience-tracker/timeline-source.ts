import type { Analytics } from "@signalbox/analytics";
import { isUlid } from "@signalbox/kernel";
import type { EntryOutcome, TimelineEntry, TimelineSource } from "@signalbox/timeline";
import { tenantOf } from "./http/dependencies.js";

export interface TimelineSourceOptions {
  readonly analytics: Analytics;
  /** Claim of a token that names the tenant whose journeys it may see; without it there is one tenant. */
  readonly tenantClaim: string | undefined;
}

interface CheckpointRow {
  readonly covered_experience_id: string;
  readonly correlation_id: string;
  readonly run: string;
  readonly event_id: string;
  readonly checkpoint: string;
  readonly checkpoint_category: string;
  readonly type: string;
  readonly feature_category: string;
  readonly occurred_at: string;
  readonly applied: boolean;
  readonly outcome: string;
  readonly error_message: string;
}

interface VerdictRow {
  readonly covered_experience_id: string;
  readonly correlation_id: string;
  readonly run: string;
  readonly feature_category: string;
  readonly state: string;
  readonly reason: string;
  readonly started_at: string | null;
  readonly verdict_at: string;
  readonly elapsed_s: number | null;
  readonly timeout_s: number | null;
  readonly last_category: string;
  readonly last_type: string;
}

/** Name under which producers tell of a correlation id that could not become the journey's own. */
const ambientKey = "ambient_correlation_id";

/** Journeys with their checkpoints, of the token's tenant. A journey without a verdict is open. */
export function createJourneyTimelineSource({ analytics, tenantClaim }: TimelineSourceOptions): TimelineSource {
  return {
    name: "journeys",
    async find({ correlationIds, principal, limit, signal }) {
      const params = { ids: correlationIds, tenant: tenantOf(principal, tenantClaim), rows: limit + 1 };
      const mine = "correlation_id IN {ids:Array(String)} AND tenant = {tenant:String}";
      const others = "correlation_id IN {ids:Array(String)} AND tenant != {tenant:String}";
      const [checkpoints, verdicts, [counted]] = await Promise.all([
        analytics.query<CheckpointRow>(
          `SELECT covered_experience_id, correlation_id, run, event_id, checkpoint, checkpoint_category, type,
            feature_category, occurred_at, applied, outcome, error_message
          FROM experience_checkpoints FINAL WHERE ${mine}
          ORDER BY occurred_at, sequence, event_id LIMIT {rows:UInt32}`,
          params,
          { signal },
        ),
        analytics.query<VerdictRow>(
          `SELECT covered_experience_id, correlation_id, run, feature_category, state, reason, started_at, verdict_at,
            elapsed_s, timeout_s, last_category, last_type
          FROM experience_verdicts FINAL WHERE ${mine} ORDER BY verdict_at LIMIT {rows:UInt32}`,
          params,
          { signal },
        ),
        analytics.query<{ hidden: number | string }>(
          `SELECT (SELECT count() FROM experience_checkpoints FINAL WHERE ${others})
            + (SELECT uniqExact(tenant, covered_experience_id, correlation_id, run)
               FROM experience_checkpoints WHERE ${others}) AS hidden`,
          params,
          { signal },
        ),
      ]);
      const entries = [...journeys(checkpoints, verdicts), ...checkpoints.map(checkpointEntry)].toSorted(
        (left, right) => left.atMs - right.atMs,
      );
      return {
        entries: entries.slice(0, limit),
        hidden: Number(counted?.hidden ?? 0),
        truncated: entries.length > limit,
      };
    },
    async aliases({ correlationId, principal, signal }) {
      const query = isUlid(correlationId)
        ? `SELECT DISTINCT meta['${ambientKey}'] AS alias FROM experience_checkpoints
          WHERE tenant = {tenant:String} AND correlation_id = {id:String} AND meta['${ambientKey}'] != ''
          ORDER BY alias LIMIT 10`
        : `SELECT DISTINCT correlation_id AS alias FROM experience_checkpoints
          WHERE tenant = {tenant:String} AND meta['${ambientKey}'] = {id:String} ORDER BY alias LIMIT 10`;
      const params = { id: correlationId, tenant: tenantOf(principal, tenantClaim) };
      const rows = await analytics.query<{ alias: string }>(query, params, { signal });
      return rows.map(({ alias }) => alias);
    },
  };
}

const outcomes: Readonly<Record<string, EntryOutcome>> = {
  open: "open",
  succeeded: "ok",
  failed: "failed",
  timed_out: "failed",
};

type RunIdentity = Pick<CheckpointRow, "covered_experience_id" | "correlation_id" | "run">;

function runKey({ covered_experience_id, correlation_id, run }: RunIdentity): string {
  return `${covered_experience_id}/${correlation_id}/${run}`;
}

function journeys(checkpoints: readonly CheckpointRow[], verdicts: readonly VerdictRow[]): TimelineEntry[] {
  const entries = new Map<string, TimelineEntry>();
  for (const row of checkpoints) {
    const key = runKey(row);
    if (!entries.has(key)) entries.set(key, journeyEntry(key, row, "open", Date.parse(row.occurred_at)));
  }
  for (const row of verdicts) {
    const key = runKey(row);
    const atMs = row.started_at === null ? undefined : Date.parse(row.started_at);
    const entry = journeyEntry(key, row, row.state, atMs ?? entries.get(key)?.atMs ?? Date.parse(row.verdict_at));
    entries.set(key, {
      ...entry,
      ...(row.elapsed_s === null ? {} : { durationMs: row.elapsed_s * 1_000 }),
      details: {
        ...entry.details,
        verdict_at: new Date(Date.parse(row.verdict_at)).toISOString(),
        ...(row.reason === "" ? {} : { reason: row.reason }),
        ...(row.timeout_s === null ? {} : { timeout_s: row.timeout_s }),
        ...(row.last_category === "" ? {} : { last_category: row.last_category }),
        ...(row.last_type === "" ? {} : { last_type: row.last_type }),
      },
    });
  }
  return [...entries.values()];
}

function journeyEntry(
  key: string,
  row: RunIdentity & { readonly feature_category: string },
  state: string,
  atMs: number,
): TimelineEntry {
  return {
    id: `journey:${key}`,
    kind: "journey",
    atMs,
    title: row.covered_experience_id,
    status: state,
    outcome: outcomes[state] ?? "neutral",
    link: `/api/v1/experience/runs/${key}`,
    details: { feature_category: row.feature_category, run: row.run },
  };
}

function checkpointEntry(row: CheckpointRow): TimelineEntry {
  const key = runKey(row);
  const failed = row.outcome === "error";
  return {
    id: `checkpoint:${key}/${row.event_id}`,
    kind: "checkpoint",
    atMs: Date.parse(row.occurred_at),
    title: `${row.covered_experience_id}: ${row.checkpoint_category === "" ? row.checkpoint : row.checkpoint_category}`,
    status: row.checkpoint,
    outcome: failed ? "failed" : row.checkpoint === "end" && row.outcome === "success" ? "ok" : "neutral",
    link: `/api/v1/experience/runs/${key}`,
    causedBy: `journey:${key}`,
    details: {
      type: row.type,
      applied: row.applied,
      ...(row.error_message === "" ? {} : { error_message: row.error_message }),
    },
  };
}
