import {
  type CheckpointRecord,
  formatTimestamp,
  type OutboxRecord,
  type Run,
  type TimelineEntry,
  type VerdictRecord,
} from "@signalbox/experience";

// What the events carry. Durations are seconds as floats, times ISO 8601 in UTC; what is unknown is
// `undefined` and left out of the event.

interface RunData {
  readonly tenant: string;
  readonly correlation_id: string;
  readonly covered_experience_id: string;
  readonly run: string;
  readonly feature_category: string;
  readonly urgency: string;
  readonly state: string;
  readonly threshold_s: number;
  readonly timeout_s: number;
  readonly definition_version: string;
  readonly started_at?: string;
}

export interface CheckpointData extends RunData {
  readonly event_id: string;
  readonly checkpoint: string;
  readonly checkpoint_category?: string;
  readonly type: string;
  readonly client_timestamp: string;
  readonly server_timestamp: string;
  readonly occurred_at: string;
  readonly sequence?: number;
  readonly applied: boolean;
  readonly outcome?: string;
  readonly error_message?: string;
  readonly discard_reason?: string;
  readonly anomalies: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly producer?: string;
  readonly recorded_at: string;
  /** After a late end: the verdict as it stands now. */
  readonly verdict?: VerdictData;
}

export interface VerdictData extends RunData {
  readonly type: string;
  readonly reason?: string;
  readonly error: boolean;
  readonly apdex_success?: boolean;
  readonly ended_at?: string;
  readonly verdict_at: string;
  readonly decided_at: string;
  readonly elapsed_s?: number;
  readonly last_category?: string;
  readonly last_type?: string;
  readonly checkpoint_count: number;
  readonly anomalies: readonly string[];
  readonly late_end_at?: string;
  readonly late_end_outcome?: string;
  readonly lateness_s?: number;
  readonly error_message?: string;
  readonly discard_reason?: string;
  /** Of the end that decided. */
  readonly event_id?: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly recorded_at: string;
}

// Each of the literals below names all fields itself, in one order: at full rate objects of one shape cost a third of what
// spreading a common part into them would.

export function checkpointData(record: CheckpointRecord): CheckpointData {
  const { run, entry } = record;
  const { identity, terms } = run;
  return {
    tenant: identity.tenant,
    correlation_id: identity.correlationId,
    covered_experience_id: identity.experienceId,
    run: identity.run,
    feature_category: terms.featureCategory,
    urgency: terms.urgency,
    state: run.state,
    threshold_s: terms.thresholdMs / 1000,
    timeout_s: terms.timeoutMs / 1000,
    definition_version: terms.definitionVersion,
    started_at: optionalTime(run.start?.occurredAtMs),
    event_id: entry.eventKey,
    checkpoint: entry.kind,
    checkpoint_category: entry.category,
    type: entry.type,
    client_timestamp: formatTimestamp(entry.clientAtMs),
    server_timestamp: formatTimestamp(entry.serverAtMs),
    occurred_at: formatTimestamp(entry.occurredAtMs),
    sequence: entry.sequence,
    applied: entry.applied,
    outcome: entry.outcome,
    error_message: entry.errorMessage,
    discard_reason: entry.discardReason,
    anomalies: entry.anomalies,
    meta: entry.meta,
    producer: entry.producer,
    recorded_at: formatTimestamp(record.atMs),
    verdict: entry.anomalies.includes("late_end") ? verdictOf(run, undefined, record.atMs) : undefined,
  };
}

export function verdictData({ run, entry, atMs }: VerdictRecord): VerdictData | undefined {
  return verdictOf(run, entry, atMs);
}

function verdictOf(run: Run, entry: TimelineEntry | undefined, atMs: number): VerdictData | undefined {
  const { identity, terms, verdict, lateEnd, last } = run;
  if (!verdict) return undefined;
  return {
    tenant: identity.tenant,
    correlation_id: identity.correlationId,
    covered_experience_id: identity.experienceId,
    run: identity.run,
    feature_category: terms.featureCategory,
    urgency: terms.urgency,
    state: run.state,
    threshold_s: terms.thresholdMs / 1000,
    timeout_s: terms.timeoutMs / 1000,
    definition_version: terms.definitionVersion,
    started_at: optionalTime(run.start?.occurredAtMs),
    type: verdict.type,
    reason: verdict.reason,
    error: run.state === "failed" || run.state === "timed_out",
    apdex_success: verdict.apdexSuccess,
    ended_at: optionalTime(verdict.endedAtMs),
    verdict_at: formatTimestamp(verdict.verdictAtMs),
    decided_at: formatTimestamp(verdict.decidedAtMs),
    elapsed_s: optionalSeconds(verdict.elapsedMs),
    last_category: last?.category,
    last_type: last?.type,
    checkpoint_count: run.recorded,
    anomalies: run.anomalies,
    late_end_at: optionalTime(lateEnd?.atMs),
    late_end_outcome: lateEnd?.outcome,
    lateness_s: optionalSeconds(lateEnd?.latenessMs),
    error_message: verdict.errorMessage,
    discard_reason: verdict.discardReason,
    event_id: entry?.kind === "end" ? entry.eventKey : undefined,
    meta: entry?.meta,
    recorded_at: formatTimestamp(atMs),
  };
}

export function subjectOf({ run: { identity } }: OutboxRecord): string {
  return `${identity.experienceId}/${identity.correlationId}/${identity.run}`;
}

function optionalTime(timeMs: number | undefined): string | undefined {
  return timeMs === undefined ? undefined : formatTimestamp(timeMs);
}

function optionalSeconds(durationMs: number | undefined): number | undefined {
  return durationMs === undefined ? undefined : durationMs / 1000;
}
