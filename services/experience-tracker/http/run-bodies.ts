import { formatTimestamp } from "@signalbox/experience";
import type { CheckpointView, RunView } from "../run-view.js";

type Fields = Record<string, unknown>;

/** Leaves out what is undefined: a field is there or not, and never null. */
function defined(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function time(timeMs: number | undefined): string | undefined {
  return timeMs === undefined ? undefined : formatTimestamp(timeMs);
}

/** A run in a list. */
export function summaryBody(run: RunView, nowMs: number): Fields {
  const { dueMs } = run;
  return defined({
    covered_experience_id: run.experienceId,
    correlation_id: run.correlationId,
    run: run.run,
    state: run.state,
    feature_category: run.featureCategory,
    urgency: run.urgency,
    type: run.type,
    started_at: time(run.startedAtMs),
    deadline: time(run.deadlineMs),
    overdue: dueMs === undefined ? undefined : nowMs > dueMs,
    elapsed_s: elapsedOf(run, nowMs),
    checkpoint_count: run.checkpointCount,
    anomalies: run.anomalies,
    verdict: verdictBody(run),
    late_end: lateEndBody(run),
  });
}

export type DetailBody = Fields;

/** A run with its timeline, which is in order already. */
export function detailBody(
  run: RunView,
  timeline: readonly CheckpointView[],
  nowMs: number,
  showMeta: boolean,
): DetailBody {
  const redacted = !showMeta && timeline.some(({ meta }) => meta !== undefined);
  return defined({
    ...summaryBody(run, nowMs),
    tenant: run.tenant === "default" ? undefined : run.tenant,
    due: time(run.dueMs),
    definition: defined({
      version: run.definitionVersion,
      feature_category: run.featureCategory,
      urgency: run.urgency,
      threshold_s: run.thresholdS,
      timeout_s: run.timeoutS,
      inactivity_timeout_s: run.inactivityTimeoutS,
    }),
    last_seen: run.last && defined({ category: run.last.category, type: run.last.type, at: time(run.last.atMs) }),
    timeline: timeline.map((entry, index) => entryBody(entry, timeline[index - 1], showMeta)),
    redacted: redacted ? true : undefined,
  });
}

function verdictBody({ state, verdict, inMeasurementGap }: RunView): Fields | undefined {
  if (!verdict) return undefined;
  return defined({
    outcome: state,
    reason: verdict.reason,
    verdict_at: time(verdict.verdictAtMs),
    decided_at: time(verdict.decidedAtMs),
    ended_at: time(verdict.endedAtMs),
    elapsed_s: verdict.elapsedS,
    apdex_success: verdict.apdexSuccess,
    discard_reason: verdict.discardReason,
    in_measurement_gap: inMeasurementGap,
  });
}

function lateEndBody({ lateEnd }: RunView): Fields | undefined {
  return lateEnd && { at: time(lateEnd.atMs), outcome: lateEnd.outcome, lateness_s: lateEnd.latenessS };
}

function elapsedOf({ verdict, startedAtMs }: RunView, nowMs: number): number | undefined {
  if (verdict) return verdict.elapsedS;
  return startedAtMs === undefined ? undefined : Math.max(0, nowMs - startedAtMs) / 1000;
}

function entryBody(entry: CheckpointView, before: CheckpointView | undefined, showMeta: boolean): Fields {
  return defined({
    event_id: entry.eventId,
    checkpoint: entry.checkpoint,
    checkpoint_category: entry.category,
    type: entry.type,
    client_timestamp: time(entry.clientAtMs),
    server_timestamp: time(entry.serverAtMs),
    occurred_at: time(entry.occurredAtMs),
    gap_s: before && (entry.occurredAtMs - before.occurredAtMs) / 1000,
    skew_s: (entry.serverAtMs - entry.clientAtMs) / 1000,
    sequence: entry.sequence,
    outcome: entry.outcome,
    error_message: entry.errorMessage,
    discard_reason: entry.discardReason,
    applied: entry.applied,
    anomalies: entry.anomalies,
    producer: entry.producer,
    meta: showMeta ? entry.meta : undefined,
  });
}
