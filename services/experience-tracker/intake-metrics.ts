import type { ApplyResult, Checkpoint, Run } from "@signalbox/experience";
import type { Histogram, Labels, Metrics } from "@signalbox/kernel";

const finalStates = ["succeeded", "failed", "timed_out", "discarded", "orphaned"] as const;

/** Metrics find the series of a frozen object at once, so each set of labels is made only once. Label values are bounded. */
function keptLabels(make: (value: string) => Labels): (value: string) => Labels {
  const made = new Map<string, Labels>();
  return (value) => {
    let labels = made.get(value);
    if (!labels) {
      labels = Object.freeze(make(value));
      made.set(value, labels);
    }
    return labels;
  };
}

/** What this process counts of checkpoints; what survives it is counted by the store. */
export interface IntakeMetrics {
  /**
   * Begins to observe durations. Each custom threshold is a bucket, so that the share of runs within it can be told; the
   * buckets stand from then on, as those of a histogram do.
   */
  observeDurations(customThresholdsMs: readonly number[]): void;
  applied(checkpoint: Checkpoint, result: ApplyResult): void;
  rejected(): void;
  decided(run: Run): void;
  refusedToken(code: string): void;
  /** What an SDK says it dropped: `queue_full=3,closed=1`. */
  sdkDropped(header: string): void;
}

const results = ["applied", "recorded", "duplicate", "rejected"] as const;
const refusals = [
  "missing_token",
  "invalid_token",
  "token_expired",
  "insufficient_scope",
  "producer_not_allowed",
  "type_not_allowed",
  "experience_not_allowed",
] as const;
const dropReasons: ReadonlySet<string> = new Set(["queue_full", "too_large", "rejected", "expired", "closed"]);

const durationBucketsS = [0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 150, 300, 600, 3600] as const;

export function createIntakeMetrics(metrics: Metrics): IntakeMetrics {
  const events = metrics.counter({
    name: "signalbox_experience_events_total",
    help: "Checkpoints by what became of them.",
    labels: ["result"],
    known: results.map((result) => ({ result })),
  });
  const authFailures = metrics.counter({
    name: "signalbox_experience_auth_failures_total",
    help: "Requests and checkpoints refused for their token or their producer.",
    labels: ["reason"],
    known: refusals.map((reason) => ({ reason })),
  });
  const skew = metrics.histogram({
    name: "signalbox_experience_clock_skew_seconds",
    help: "Difference between the server's clock and the producers'.",
    labels: ["type"],
    buckets: [0.01, 0.1, 0.5, 1, 5, 10, 60, 600, 3600, 86_400],
  });
  let duration: Histogram | undefined;
  const lateness = metrics.histogram({
    name: "signalbox_experience_lateness_seconds",
    help: "How long after their deadline runs that had timed out ended.",
    labels: ["covered_experience_id"],
    buckets: [1, 5, 15, 60, 300, 1800, 3600, 21_600],
    maxSeries: 5_000,
  });
  const sdkDropped = metrics.counter({
    name: "signalbox_experience_reported_drops_total",
    help: "Checkpoints that SDKs dropped, as they report it.",
    labels: ["reason"],
    known: [...dropReasons, "other"].map((reason) => ({ reason })),
  });

  const resultLabels = new Map<string, Labels>(results.map((result) => [result, Object.freeze({ result })]));
  const typeLabels = keptLabels((type) => ({ type }));
  const experienceLabels = keptLabels((id) => ({ covered_experience_id: id }));
  const outcomeLabels = new Map<Run["state"], (id: string) => Labels>(
    finalStates.map((outcome) => [outcome, keptLabels((id) => ({ covered_experience_id: id, outcome }))]),
  );

  const decided = (run: Run): void => {
    const { verdict, terms, identity } = run;
    if (run.uncounted) return;
    const labels = outcomeLabels.get(run.state)?.(terms.experienceLabel);
    if (verdict?.elapsedMs === undefined || !labels) return;
    duration?.observe(verdict.elapsedMs / 1000, labels, { correlation_id: identity.correlationId });
  };

  return {
    observeDurations(customThresholdsMs) {
      const buckets = new Set([...durationBucketsS, ...customThresholdsMs.map((thresholdMs) => thresholdMs / 1000)]);
      duration ??= metrics.histogram({
        name: "signalbox_experience_duration_seconds",
        help: "How long runs took, by how they ended.",
        labels: ["covered_experience_id", "outcome"],
        buckets: [...buckets].sort((a, b) => a - b),
        maxSeries: 5_000,
      });
    },
    applied(checkpoint, result) {
      if (result.result === "failed") return;
      events.add(1, resultLabels.get(result.result));
      if (result.result === "rejected" || result.result === "duplicate") return;
      const { answer, run } = result;
      const clientMs = checkpoint.sentAtMs ?? checkpoint.clientAtMs;
      skew.observe(Math.abs(answer.serverAtMs - clientMs) / 1000, typeLabels(checkpoint.typeLabel));
      if (run.verdict?.decidedAtMs === answer.serverAtMs) decided(run);
      if (run.lateEnd && !run.uncounted && !checkpoint.uncounted && answer.anomalies.includes("late_end"))
        lateness.observe(run.lateEnd.latenessMs / 1000, experienceLabels(run.terms.experienceLabel));
    },
    rejected: () => events.add(1, resultLabels.get("rejected")),
    decided,
    refusedToken: (reason) => authFailures.add(1, { reason }),
    sdkDropped(header) {
      for (const part of header.split(",").slice(0, 10)) {
        const [reason = "", count = ""] = part.trim().split("=");
        if (!/^\d{1,9}$/.test(count)) continue;
        sdkDropped.add(Number(count), { reason: dropReasons.has(reason) ? reason : "other" });
      }
    },
  };
}
