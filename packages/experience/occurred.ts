import type { Anomaly, Checkpoint } from "./run.js";

/** Where a checkpoint stands in time. */
export interface Occurred {
  readonly atMs: number;
  /** False when the client's time was not believed and the server's is used. */
  readonly trusted: boolean;
  readonly anomalies: readonly Anomaly[];
}

const hourMs = 3_600_000;
const tolerated = { differenceMs: 10_000, pastMs: 24 * hourMs, futureMs: 60_000, ulidMs: 24 * hourMs };

/**
 * When a checkpoint happened. A producer that says when it sent tells how wrong its clock is; what lies more than a day
 * back or a minute ahead even then is not believed.
 */
export function occurredTime(checkpoint: Checkpoint, nowMs: number): Occurred {
  const anomalies: Anomaly[] = [];
  const { clientAtMs, sentAtMs, ulidTimeMs } = checkpoint;
  let atMs = clientAtMs;
  if (sentAtMs !== undefined && Math.abs(nowMs - sentAtMs) > tolerated.differenceMs) {
    atMs += nowMs - sentAtMs;
    anomalies.push("clock_corrected");
  }
  const trusted = atMs >= nowMs - tolerated.pastMs && atMs <= nowMs + tolerated.futureMs;
  if (!trusted) {
    atMs = nowMs;
    anomalies.push("clock_skew");
  }
  if (ulidTimeMs !== undefined && Math.abs(ulidTimeMs - atMs) > tolerated.ulidMs) anomalies.push("ulid_time_mismatch");
  return { atMs, trusted, anomalies };
}
