/** What a deployment decides about the state machine. */
export interface Rules {
  /** How long a start that comes after its own deadline waits for its end. */
  readonly lateStartGraceMs: number;
  /** How long an end waits for its start. */
  readonly missingStartGraceMs: number;
  /** How long a record stays after its verdict. */
  readonly retentionMs: number;
  /** Whether a time that is not believed refuses the checkpoint. */
  readonly rejectSkew: boolean;
  /** After a gap in the measurement nothing expires for as long as the gap was, but no longer than this. */
  readonly recoveryGraceMs: number;
}

export const defaultRules: Rules = Object.freeze({
  lateStartGraceMs: 5_000,
  missingStartGraceMs: 30_000,
  retentionMs: 86_400_000,
  rejectSkew: false,
  recoveryGraceMs: 30_000,
});

/** Checkpoints that a timeline holds before only an end has an effect. */
export const maxTimeline = 1_000;
