import type { Gap } from "@signalbox/experience";
import type { CheckpointData, VerdictData } from "./event-data.js";

/** Times that the analytics store can hold. */
const firstMs = Date.UTC(1900, 0, 1);
const lastMs = Date.UTC(2299, 11, 31);

/** As the analytics store reads it. A client may say any time; what cannot be held is the nearest that can. */
function column(time: string): string {
  const timeMs = Math.min(lastMs, Math.max(firstMs, Date.parse(time)));
  return new Date(timeMs).toISOString().slice(0, 23).replace("T", " ");
}

export function checkpointRow(data: CheckpointData): object {
  return {
    tenant: data.tenant,
    correlation_id: data.correlation_id,
    covered_experience_id: data.covered_experience_id,
    run: data.run,
    event_id: data.event_id,
    checkpoint: data.checkpoint,
    checkpoint_category: data.checkpoint_category ?? "",
    type: data.type,
    feature_category: data.feature_category,
    urgency: data.urgency,
    client_timestamp: column(data.client_timestamp),
    server_timestamp: column(data.server_timestamp),
    occurred_at: column(data.occurred_at),
    sequence: data.sequence ?? null,
    applied: data.applied,
    outcome: data.outcome ?? "",
    error_message: data.error_message ?? "",
    discard_reason: data.discard_reason ?? "",
    anomalies: data.anomalies,
    meta: data.meta ?? {},
    producer: data.producer ?? "",
    definition_version: data.definition_version,
    // The moment of the step, not of the insert: a repetition that comes late must not replace what came after it.
    inserted_at: column(data.recorded_at),
  };
}

export function verdictRow(data: VerdictData, inGap: boolean): object {
  return {
    tenant: data.tenant,
    correlation_id: data.correlation_id,
    covered_experience_id: data.covered_experience_id,
    run: data.run,
    feature_category: data.feature_category,
    urgency: data.urgency,
    type: data.type,
    state: data.state,
    reason: data.reason ?? "",
    error: data.error,
    apdex_success: data.apdex_success ?? null,
    started_at: data.started_at === undefined ? null : column(data.started_at),
    ended_at: data.ended_at === undefined ? null : column(data.ended_at),
    verdict_at: column(data.verdict_at),
    decided_at: column(data.decided_at),
    elapsed_s: data.elapsed_s ?? null,
    threshold_s: data.threshold_s,
    timeout_s: data.timeout_s,
    last_category: data.last_category ?? "",
    last_type: data.last_type ?? "",
    checkpoint_count: data.checkpoint_count,
    anomalies: data.anomalies,
    late_end_at: data.late_end_at === undefined ? null : column(data.late_end_at),
    late_end_outcome: data.late_end_outcome ?? "",
    lateness_s: data.lateness_s ?? null,
    discard_reason: data.discard_reason ?? "",
    in_measurement_gap: inGap,
    definition_version: data.definition_version,
    counted: data.counted ?? true,
    inserted_at: column(data.recorded_at),
  };
}

export function gapRow({ fromMs, toMs, reason, replica, silence }: Gap): object {
  const timeOf = (timeMs: number): string => column(new Date(timeMs).toISOString());
  return {
    from: timeOf(fromMs),
    to: timeOf(toMs),
    reason,
    replica,
    tenant: silence?.tenant ?? "",
    producer: silence?.producer ?? "",
    types: silence?.types ?? [],
  };
}
