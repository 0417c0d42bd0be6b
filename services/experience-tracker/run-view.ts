import type { Run, TimelineEntry } from "@signalbox/experience";

// What a reader sees of a run, wherever it comes from.

export interface RunView {
  readonly tenant: string;
  readonly experienceId: string;
  readonly correlationId: string;
  readonly run: string;
  readonly state: string;
  readonly featureCategory: string;
  readonly urgency: string;
  readonly definitionVersion: string;
  readonly thresholdS: number | undefined;
  readonly timeoutS: number | undefined;
  readonly inactivityTimeoutS: number | undefined;
  readonly type: string;
  readonly startedAtMs: number | undefined;
  readonly deadlineMs: number | undefined;
  readonly dueMs: number | undefined;
  readonly last:
    | { readonly type: string; readonly category: string | undefined; readonly atMs: number | undefined }
    | undefined;
  readonly verdict: VerdictView | undefined;
  readonly lateEnd: { readonly atMs: number; readonly outcome: string; readonly latenessS: number } | undefined;
  readonly checkpointCount: number;
  readonly anomalies: readonly string[];
  readonly inMeasurementGap: boolean | undefined;
}

export interface VerdictView {
  readonly reason: string | undefined;
  readonly verdictAtMs: number;
  readonly decidedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly elapsedS: number | undefined;
  readonly apdexSuccess: boolean | undefined;
  readonly type: string;
  readonly discardReason: string | undefined;
}

export interface CheckpointView {
  readonly experienceId: string;
  readonly run: string;
  readonly eventId: string;
  readonly checkpoint: string;
  readonly category: string | undefined;
  readonly type: string;
  readonly clientAtMs: number;
  readonly serverAtMs: number;
  readonly occurredAtMs: number;
  readonly sequence: number | undefined;
  readonly outcome: string | undefined;
  readonly errorMessage: string | undefined;
  readonly discardReason: string | undefined;
  readonly meta: Readonly<Record<string, string>> | undefined;
  readonly producer: string | undefined;
  readonly applied: boolean;
  readonly anomalies: readonly string[];
}

export function viewOfRun(run: Run): RunView {
  const { identity, terms, verdict, last, lateEnd } = run;
  return {
    tenant: identity.tenant,
    experienceId: identity.experienceId,
    correlationId: identity.correlationId,
    run: identity.run,
    state: run.state,
    featureCategory: terms.featureCategory,
    urgency: terms.urgency,
    definitionVersion: terms.definitionVersion,
    thresholdS: terms.thresholdMs / 1000,
    timeoutS: terms.timeoutMs / 1000,
    inactivityTimeoutS: terms.inactivityTimeoutMs === undefined ? undefined : terms.inactivityTimeoutMs / 1000,
    type: verdict?.type ?? last?.type ?? "other",
    startedAtMs: run.start?.occurredAtMs,
    deadlineMs: run.deadlineMs,
    dueMs: run.dueMs,
    last: last && { type: last.type, category: last.category, atMs: last.occurredAtMs },
    verdict: verdict && {
      reason: verdict.reason,
      verdictAtMs: verdict.verdictAtMs,
      decidedAtMs: verdict.decidedAtMs,
      endedAtMs: verdict.endedAtMs,
      elapsedS: verdict.elapsedMs === undefined ? undefined : verdict.elapsedMs / 1000,
      apdexSuccess: verdict.apdexSuccess,
      type: verdict.type,
      discardReason: verdict.discardReason,
    },
    lateEnd: lateEnd && { atMs: lateEnd.atMs, outcome: lateEnd.outcome, latenessS: lateEnd.latenessMs / 1000 },
    checkpointCount: run.recorded,
    anomalies: run.anomalies,
    inMeasurementGap: undefined,
  };
}

export function viewOfEntry({ identity }: Run, entry: TimelineEntry): CheckpointView {
  return {
    experienceId: identity.experienceId,
    run: identity.run,
    eventId: entry.eventKey,
    checkpoint: entry.kind,
    category: entry.category,
    type: entry.type,
    clientAtMs: entry.clientAtMs,
    serverAtMs: entry.serverAtMs,
    occurredAtMs: entry.occurredAtMs,
    sequence: entry.sequence,
    outcome: entry.outcome,
    errorMessage: entry.errorMessage,
    discardReason: entry.discardReason,
    meta: entry.meta,
    producer: entry.producer,
    applied: entry.applied,
    anomalies: entry.anomalies,
  };
}

/** By occurred time, then number, then arrival. */
export function inOccurredOrder(timeline: readonly CheckpointView[]): CheckpointView[] {
  return [...timeline].sort(
    (a, b) => a.occurredAtMs - b.occurredAtMs || (a.sequence ?? 0) - (b.sequence ?? 0) || a.serverAtMs - b.serverAtMs,
  );
}
