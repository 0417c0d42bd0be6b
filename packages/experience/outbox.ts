import { identityKey, type Run, type TimelineEntry } from "./run.js";

export type VerdictKind = "completed" | "failed" | "timed_out" | "discarded" | "orphaned";

/** A fact that is to be published. Written in the same step as the change that it reports. */
export type OutboxRecord = CheckpointRecord | VerdictRecord;

interface RecordBase {
  /** Position among the records of this run: with identity and birth it names the record for ever. */
  readonly position: number;
  readonly atMs: number;
  /** The run right after the step, the state of the timeline aside. */
  readonly run: Run;
}

export interface CheckpointRecord extends RecordBase {
  readonly kind: "checkpoint_recorded";
  readonly entry: TimelineEntry;
}

export interface VerdictRecord extends RecordBase {
  readonly kind: VerdictKind;
  /** The end that decided, when one came in this step. */
  readonly entry: TimelineEntry | undefined;
}

/** One text per record; equal for repetitions of it and for nothing else. */
export function recordKey({ run, position }: OutboxRecord): string {
  return `${identityKey(run.identity)}|${run.bornAtMs}|${position}`;
}
