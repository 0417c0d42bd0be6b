import { type Finding, ok, warning } from "./finding.js";

/** Leases, expiries and the order of events on several machines need clocks that agree. */
const toleratedSkewMs = 1_000;

/**
 * Compares this machine's clock with another one that was read between two looks at ours.
 */
export function skewFinding(subject: string, times: SkewTimes): Finding {
  const { beforeMs, theirsMs, afterMs } = times;
  const skewMs = Math.round(theirsMs - (beforeMs + afterMs) / 2);
  const uncertaintyMs = (afterMs - beforeMs) / 2;
  if (Math.abs(skewMs) - uncertaintyMs <= toleratedSkewMs)
    return ok(subject, `its clock is within ${toleratedSkewMs / 1000} s of ours`);
  return warning(
    subject,
    `its clock is ${Math.abs(skewMs / 1000).toFixed(1)} s ${skewMs > 0 ? "ahead of" : "behind"} ours`,
    "Let both machines synchronise their clocks (NTP).",
  );
}

export interface SkewTimes {
  readonly beforeMs: number;
  readonly theirsMs: number;
  readonly afterMs: number;
}
