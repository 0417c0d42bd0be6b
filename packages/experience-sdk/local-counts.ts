import type { Counter, Logger, Metrics } from "@signalbox/kernel/portable";
import { errorText } from "./extras.js";
import type { Recorded } from "./recorder.js";
import type { Run } from "./run.js";

/** Counts and logs journeys in this process: no tracker, hence no timeouts and no runs across processes. */
export interface LocalCounts {
  count(run: Run, checkpoint: Recorded, atMs: number): void;
}

export interface LocalCountsOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** `gitlab_covered_experience`, or another one beside a tracker. */
  readonly prefix: string;
  readonly type: string;
}

export function createLocalCounts({ metrics, logger, prefix, type }: LocalCountsOptions): LocalCounts {
  const labels = ["covered_experience_id", "feature_category", "urgency", "type"];
  const counter = (name: string, help: string, label: string): Counter =>
    metrics.counter({ name: `${prefix}_${name}`, help, labels: [...labels, label] });
  const checkpoints = counter("checkpoint_total", "Checkpoints of user journeys.", "checkpoint");
  const totals = counter("total", "User journeys that ended.", "error");
  const apdex = counter("apdex_total", "User journeys that ended without an error.", "success");

  const seriesOf = (run: Run): Record<string, string> => ({
    covered_experience_id: run.experienceId,
    feature_category: run.known?.featureCategory ?? "unregistered",
    urgency: run.known?.urgency ?? "unregistered",
    type,
  });

  const countEnd = (run: Run, { outcome }: Recorded, elapsedMs: number): void => {
    if (outcome === "discarded") return;
    const series = seriesOf(run);
    const failed = outcome === "error";
    checkpoints.add(1, { ...series, checkpoint: "end" });
    totals.add(1, { ...series, error: String(failed) });
    if (!failed) apdex.add(1, { ...series, success: String(elapsedMs <= (run.known?.thresholdMs ?? 0)) });
  };

  const log = (run: Run, checkpoint: Recorded, atMs: number): void => {
    const { kind, category, outcome, error, reason } = checkpoint;
    const failed = outcome === "error";
    const fields = {
      ...seriesOf(run),
      checkpoint: kind,
      run: run.name,
      correlation_id: run.correlationId,
      start_time: new Date(run.startedAtMs).toISOString(),
      checkpoint_time: new Date(atMs).toISOString(),
      ...(category === undefined ? {} : { checkpoint_category: category }),
      ...(kind === "end"
        ? {
            end_time: new Date(atMs).toISOString(),
            elapsed_time_s: Math.max(0, atMs - run.startedAtMs) / 1_000,
            urgency_threshold_s: (run.known?.thresholdMs ?? 0) / 1_000,
          }
        : {}),
      ...(kind === "end" && outcome !== "discarded" ? { success: !failed } : {}),
      ...(failed ? { failure_reason: "error", error_message: errorText(error) } : {}),
      ...(outcome === "discarded" ? { discard_reason: reason ?? "unspecified" } : {}),
    };
    if (failed) logger.warn("experience failure", fields);
    else if (outcome === "discarded") logger.info("experience discarded", fields);
    else if (kind === "end") logger.info("experience success", fields);
    else if (kind === "start") logger.info("experience start", fields);
    else logger.info("experience intermediate", fields);
  };

  return {
    count(run, checkpoint, atMs) {
      try {
        if (checkpoint.kind === "end") countEnd(run, checkpoint, atMs - run.startedAtMs);
        else checkpoints.add(1, { ...seriesOf(run), checkpoint: checkpoint.kind });
        log(run, checkpoint, atMs);
      } catch {
        // Registries and loggers of the application may throw; the application must not notice.
      }
    },
  };
}
