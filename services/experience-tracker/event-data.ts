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
  /** False: its producer was not believed, and no counter knows of it. */
  readonly counted?: false;
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

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

// What is always there is named in one literal, in one order; what may be missing is added only where it is known. At full
// rate objects of few shapes and without `undefined` cost a third of what others do.

export function checkpointData(record: CheckpointRecord): CheckpointData {
  const { run, entry } = record;
  const { identity, terms } = run;
  const data: Mutable<CheckpointData> = {
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
    event_id: entry.eventKey,
    checkpoint: entry.kind,
    type: entry.type,
    client_timestamp: formatTimestamp(entry.clientAtMs),
    server_timestamp: formatTimestamp(entry.serverAtMs),
    occurred_at: formatTimestamp(entry.occurredAtMs),
    applied: entry.applied,
    anomalies: entry.anomalies,
    recorded_at: formatTimestamp(record.atMs),
  };
  if (run.start) data.started_at = formatTimestamp(run.start.occurredAtMs);
  if (entry.producer !== undefined) data.producer = entry.producer;
  if (entry.outcome !== undefined) data.outcome = entry.outcome;
  if (entry.category !== undefined) data.checkpoint_category = entry.category;
  if (entry.sequence !== undefined) data.sequence = entry.sequence;
  if (entry.errorMessage !== undefined) data.error_message = entry.errorMessage;
  if (entry.discardReason !== undefined) data.discard_reason = entry.discardReason;
  if (entry.meta) data.meta = entry.meta;
  const verdict = entry.anomalies.includes("late_end") ? verdictOf(run, undefined, record.atMs) : undefined;
  if (verdict) data.verdict = verdict;
  return data;
}

export function verdictData({ run, entry, atMs }: VerdictRecord): VerdictData | undefined {
  return verdictOf(run, entry, atMs);
}

function verdictOf(run: Run, entry: TimelineEntry | undefined, atMs: number): VerdictData | undefined {
  const { identity, terms, verdict, lateEnd, last } = run;
  if (!verdict) return undefined;
  const data: Mutable<VerdictData> = {
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
    type: verdict.type,
    error: run.state === "failed" || run.state === "timed_out",
    verdict_at: formatTimestamp(verdict.verdictAtMs),
    decided_at: formatTimestamp(verdict.decidedAtMs),
    checkpoint_count: run.recorded,
    anomalies: run.anomalies,
    recorded_at: formatTimestamp(atMs),
  };
  if (run.uncounted) data.counted = false;
  if (run.start) data.started_at = formatTimestamp(run.start.occurredAtMs);
  if (verdict.endedAtMs !== undefined) data.ended_at = formatTimestamp(verdict.endedAtMs);
  if (verdict.elapsedMs !== undefined) data.elapsed_s = verdict.elapsedMs / 1000;
  if (verdict.apdexSuccess !== undefined) data.apdex_success = verdict.apdexSuccess;
  if (entry?.kind === "end") data.event_id = entry.eventKey;
  if (last) data.last_type = last.type;
  if (last?.category !== undefined) data.last_category = last.category;
  if (verdict.reason !== undefined) data.reason = verdict.reason;
  if (verdict.errorMessage !== undefined) data.error_message = verdict.errorMessage;
  if (verdict.discardReason !== undefined) data.discard_reason = verdict.discardReason;
  if (lateEnd) {
    data.late_end_at = formatTimestamp(lateEnd.atMs);
    data.late_end_outcome = lateEnd.outcome;
    data.lateness_s = lateEnd.latenessMs / 1000;
  }
  if (entry?.meta) data.meta = entry.meta;
  return data;
}

export function subjectOf({ run: { identity } }: OutboxRecord): string {
  return `${identity.experienceId}/${identity.correlationId}/${identity.run}`;
}
