import type { Rules } from "./rules.js";
import { type Gap, gapAfterMs, type Heartbeat } from "./store.js";

/** What a store remembers of those who watched it. */
export interface Watched {
  /** When each replica was heard of last. */
  readonly beats: ReadonlyMap<string, number>;
  readonly holdUntilMs: number;
}

/** A silence that goes on has lasted until now. */
export function untilNow(gap: Gap, nowMs: number): Gap {
  return gap.silence?.goesOn ? { ...gap, toMs: Math.max(gap.toMs, nowMs) } : gap;
}

/** What follows from a heartbeat. */
export interface BeatFindings {
  readonly gap: Gap | undefined;
  readonly holdUntilMs: number;
  /** Replicas that are not there any more. */
  readonly gone: readonly string[];
  /** Replicas that are there, this one included. */
  readonly alive: readonly string[];
}

/**
 * Judges a heartbeat. Pure. A beat from further ahead than anybody may be silent, and a hold from further ahead than any
 * lasts, were written before the clock went back: neither counts, or nothing would expire until the clock is there again.
 */
export function judgeBeat(
  { replica, reason: supposed, silentMs: heardMs = Number.POSITIVE_INFINITY }: Heartbeat,
  { beats, holdUntilMs }: Watched,
  nowMs: number,
  { recoveryGraceMs }: Pick<Rules, "recoveryGraceMs">,
): BeatFindings {
  const lastMs = Math.max(...beats.values());
  const silentMs = nowMs - lastMs;
  const reason = heardMs <= gapAfterMs ? "store_down" : supposed;
  const gap = beats.size > 0 && silentMs > gapAfterMs ? { fromMs: lastMs, toMs: nowMs, reason, replica } : undefined;
  const heldMs = holdUntilMs > nowMs + recoveryGraceMs ? 0 : holdUntilMs;
  const others = [...beats].filter(([name]) => name !== replica);
  const gone = others.filter(([, atMs]) => Math.abs(nowMs - atMs) > gapAfterMs).map(([name]) => name);
  return {
    gap,
    holdUntilMs: gap ? Math.max(heldMs, nowMs + Math.min(silentMs, recoveryGraceMs)) : heldMs,
    gone,
    alive: [...others.map(([name]) => name).filter((name) => !gone.includes(name)), replica],
  };
}
