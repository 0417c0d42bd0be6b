import type { PathStep } from "./definition.js";

/** A checkpoint whose category is a step of the usual way. */
export interface PathMark {
  /** Of the step. */
  readonly step: number;
  readonly atMs: number;
}

/** Marks that a run keeps; what it does after so many steps is not judged. */
export const maxPathMarks = 100;

export interface PathJudgement {
  readonly startedAtMs: number | undefined;
  /** A run that failed or timed out may have stopped anywhere; one that succeeded went the whole way. */
  readonly hasSucceeded: boolean;
}

/**
 * Whether a run left the usual way: skipped a step that is not optional, went backwards, or took longer than allowed from
 * one step to the next. Times of occurrence count, not the order of arrival; repeating a step is no violation.
 */
export function leavesPath(
  path: readonly PathStep[],
  marks: readonly PathMark[],
  { startedAtMs, hasSucceeded }: PathJudgement,
): boolean {
  const isRequired = (from: number, to: number): boolean => path.slice(from, to).some(({ optional }) => !optional);
  let reached = -1;
  let beforeMs = startedAtMs;
  for (const { step, atMs } of [...marks].sort((a, b) => a.atMs - b.atMs)) {
    const maxGapMs = path[step]?.maxGapMs;
    if (step < reached || isRequired(reached + 1, step)) return true;
    if (maxGapMs !== undefined && beforeMs !== undefined && atMs - beforeMs > maxGapMs) return true;
    reached = step;
    beforeMs = atMs;
  }
  return hasSucceeded && isRequired(reached + 1, path.length);
}
