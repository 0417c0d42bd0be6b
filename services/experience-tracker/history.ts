import type { Analytics } from "@signalbox/analytics";
import type { RunIdentity } from "@signalbox/experience";
import type { CheckpointView, RunView, VerdictView } from "./run-view.js";

/** Reads what was written to the analytics store. */
export interface History {
  /** Verdicts, newest first, behind `after`. */
  verdicts(filter: VerdictFilter): Promise<readonly RunView[]>;
  /** One run with its timeline; `undefined` when there is none. */
  run(
    identity: RunIdentity,
  ): Promise<{ readonly run: RunView; readonly timeline: readonly CheckpointView[] } | undefined>;
  /** Everything of one tenant that carried a correlation id. */
  journeys(
    tenant: string,
    correlationId: string,
  ): Promise<{ readonly runs: readonly RunView[]; readonly checkpoints: readonly CheckpointView[] }>;
}

export interface VerdictFilter {
  readonly tenant: string;
  readonly states?: readonly string[];
  readonly experienceIds?: readonly string[];
  readonly featureCategories?: readonly string[];
  readonly urgencies?: readonly string[];
  readonly types?: readonly string[];
  readonly anomalies?: readonly string[];
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  readonly excludeExperienceIds?: readonly string[];
  readonly after?: { readonly atMs: number; readonly key: string } | undefined;
  readonly limit: number;
}

const millis = (column: string): string => `toUnixTimestamp64Milli(${column})`;

const verdictColumns = `tenant, correlation_id, covered_experience_id, run, feature_category, urgency, type, state, reason,
  error, apdex_success, ${millis("started_at")} AS started_ms, ${millis("ended_at")} AS ended_ms,
  ${millis("verdict_at")} AS verdict_ms, ${millis("decided_at")} AS decided_ms, elapsed_s, threshold_s, timeout_s,
  last_category, last_type, checkpoint_count, anomalies, ${millis("late_end_at")} AS late_end_ms, late_end_outcome,
  lateness_s, discard_reason, in_measurement_gap, definition_version`;

const checkpointColumns = `correlation_id, covered_experience_id, run, event_id, checkpoint, checkpoint_category, type,
  feature_category, urgency, ${millis("client_timestamp")} AS client_ms, ${millis("server_timestamp")} AS server_ms,
  ${millis("occurred_at")} AS occurred_ms, sequence, applied, outcome, error_message, discard_reason, anomalies, meta,
  producer`;

const limits = { maxExecutionSeconds: 10, maxResultRows: 20_000 } as const;

export function createHistory(analytics: Analytics): History {
  const verdicts = async (conditions: readonly string[], params: Params, limit: number): Promise<RunView[]> => {
    const rows = await analytics.query<VerdictRow>(
      `SELECT ${verdictColumns} FROM experience_verdicts FINAL WHERE ${conditions.join(" AND ")}
       ORDER BY verdict_at DESC, correlation_id, covered_experience_id, run LIMIT {limit:UInt32}`,
      { ...params, limit },
      limits,
    );
    return rows.map(runView);
  };

  const checkpoints = async (conditions: readonly string[], params: Params): Promise<CheckpointView[]> => {
    const rows = await analytics.query<CheckpointRow>(
      `SELECT ${checkpointColumns} FROM experience_checkpoints FINAL WHERE ${conditions.join(" AND ")}
       ORDER BY occurred_at, sequence, server_timestamp LIMIT 10000`,
      params,
      limits,
    );
    return rows.map(checkpointView);
  };

  return {
    verdicts(filter) {
      const { conditions, params } = conditionsOf(filter);
      return verdicts(conditions, params, filter.limit);
    },
    async run({ tenant, experienceId, correlationId, run }) {
      const params = { tenant, experience: experienceId, correlation: correlationId, run };
      const conditions = [
        "tenant = {tenant:String}",
        "covered_experience_id = {experience:String}",
        "correlation_id = {correlation:String}",
        "run = {run:String}",
      ];
      const [found] = await verdicts(conditions, params, 1);
      return found && { run: found, timeline: await checkpoints(conditions, params) };
    },
    async journeys(tenant, correlationId) {
      const params = { tenant, correlation: correlationId };
      const conditions = ["tenant = {tenant:String}", "correlation_id = {correlation:String}"];
      return {
        runs: await verdicts(conditions, params, 1_000),
        checkpoints: await checkpoints(conditions, params),
      };
    },
  };
}

type Params = Record<string, unknown>;

function conditionsOf(filter: VerdictFilter): { readonly conditions: string[]; readonly params: Params } {
  const conditions = ["tenant = {tenant:String}"];
  const params: Params = { tenant: filter.tenant };
  const among = (column: string, name: string, values: readonly string[] | undefined): void => {
    if (!values) return;
    conditions.push(`${column} IN {${name}:Array(String)}`);
    params[name] = values;
  };
  among("state", "states", filter.states);
  among("covered_experience_id", "experiences", filter.experienceIds);
  among("feature_category", "categories", filter.featureCategories);
  among("urgency", "urgencies", filter.urgencies);
  among("type", "types", filter.types);
  if (filter.anomalies) {
    conditions.push("hasAny(anomalies, {anomalies:Array(String)})");
    params["anomalies"] = filter.anomalies;
  }
  if (filter.excludeExperienceIds) {
    conditions.push("covered_experience_id NOT IN {excluded:Array(String)}");
    params["excluded"] = filter.excludeExperienceIds;
  }
  if (filter.sinceMs !== undefined) {
    conditions.push("verdict_at >= fromUnixTimestamp64Milli({since:Int64})");
    params["since"] = filter.sinceMs;
  }
  if (filter.untilMs !== undefined) {
    conditions.push("verdict_at < fromUnixTimestamp64Milli({until:Int64})");
    params["until"] = filter.untilMs;
  }
  if (filter.after) {
    const [correlation = "", experience = "", run = ""] = filter.after.key.split("|");
    conditions.push(`(verdict_at < fromUnixTimestamp64Milli({after:Int64}) OR (
      verdict_at = fromUnixTimestamp64Milli({after:Int64}) AND
      (correlation_id, covered_experience_id, run) >
        ({after_correlation:String}, {after_experience:String}, {after_run:String})))`);
    Object.assign(params, {
      after: filter.after.atMs,
      after_correlation: correlation,
      after_experience: experience,
      after_run: run,
    });
  }
  return { conditions, params };
}

interface VerdictRow {
  readonly tenant: string;
  readonly correlation_id: string;
  readonly covered_experience_id: string;
  readonly run: string;
  readonly feature_category: string;
  readonly urgency: string;
  readonly type: string;
  readonly state: string;
  readonly reason: string;
  readonly error: boolean;
  readonly apdex_success: boolean | null;
  readonly started_ms: string | number | null;
  readonly ended_ms: string | number | null;
  readonly verdict_ms: string | number;
  readonly decided_ms: string | number;
  readonly elapsed_s: number | null;
  readonly threshold_s: number | null;
  readonly timeout_s: number | null;
  readonly last_category: string;
  readonly last_type: string;
  readonly checkpoint_count: number;
  readonly anomalies: readonly string[];
  readonly late_end_ms: string | number | null;
  readonly late_end_outcome: string;
  readonly lateness_s: number | null;
  readonly discard_reason: string;
  readonly in_measurement_gap: boolean;
  readonly definition_version: string;
}

interface CheckpointRow {
  readonly correlation_id: string;
  readonly covered_experience_id: string;
  readonly run: string;
  readonly event_id: string;
  readonly checkpoint: string;
  readonly checkpoint_category: string;
  readonly type: string;
  readonly feature_category: string;
  readonly urgency: string;
  readonly client_ms: string | number;
  readonly server_ms: string | number;
  readonly occurred_ms: string | number;
  readonly sequence: number | null;
  readonly applied: boolean;
  readonly outcome: string;
  readonly error_message: string;
  readonly discard_reason: string;
  readonly anomalies: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly producer: string;
}

function runView(row: VerdictRow): RunView {
  const verdict: VerdictView = {
    reason: row.reason || undefined,
    verdictAtMs: Number(row.verdict_ms),
    decidedAtMs: Number(row.decided_ms),
    endedAtMs: optional(row.ended_ms),
    elapsedS: row.elapsed_s ?? undefined,
    apdexSuccess: row.apdex_success ?? undefined,
    type: row.type,
    discardReason: row.discard_reason || undefined,
  };
  return {
    tenant: row.tenant,
    experienceId: row.covered_experience_id,
    correlationId: row.correlation_id,
    run: row.run,
    state: row.state,
    featureCategory: row.feature_category,
    urgency: row.urgency,
    definitionVersion: row.definition_version,
    thresholdS: row.threshold_s ?? undefined,
    timeoutS: row.timeout_s ?? undefined,
    inactivityTimeoutS: undefined,
    type: row.type,
    startedAtMs: optional(row.started_ms),
    deadlineMs: undefined,
    dueMs: undefined,
    last: row.last_type
      ? { type: row.last_type, category: row.last_category || undefined, atMs: undefined }
      : undefined,
    verdict,
    lateEnd:
      row.late_end_ms === null
        ? undefined
        : { atMs: Number(row.late_end_ms), outcome: row.late_end_outcome, latenessS: row.lateness_s ?? 0 },
    checkpointCount: Number(row.checkpoint_count),
    anomalies: row.anomalies,
    inMeasurementGap: row.in_measurement_gap,
  };
}

function checkpointView(row: CheckpointRow): CheckpointView {
  return {
    experienceId: row.covered_experience_id,
    run: row.run,
    eventId: row.event_id,
    checkpoint: row.checkpoint,
    category: row.checkpoint_category || undefined,
    type: row.type,
    clientAtMs: Number(row.client_ms),
    serverAtMs: Number(row.server_ms),
    occurredAtMs: Number(row.occurred_ms),
    sequence: row.sequence ?? undefined,
    outcome: row.outcome || undefined,
    errorMessage: row.error_message || undefined,
    discardReason: row.discard_reason || undefined,
    meta: Object.keys(row.meta).length > 0 ? row.meta : undefined,
    producer: row.producer || undefined,
    applied: Boolean(row.applied),
    anomalies: row.anomalies,
  };
}

/** Wide numbers come as text. */
function optional(value: string | number | null): number | undefined {
  return value === null ? undefined : Number(value);
}
