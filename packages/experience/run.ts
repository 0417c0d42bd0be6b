import type { PathStep } from "./definition.js";
import type { PathMark } from "./path.js";
import type { CheckpointKind, Outcome, PayloadWarning, RunStateName } from "./payload.js";
import type { Urgency } from "./urgency.js";

/** What makes a run one run. No part contains `|`. */
export interface RunIdentity {
  readonly tenant: string;
  readonly experienceId: string;
  readonly correlationId: string;
  readonly run: string;
}

/** One text for an identity; equal texts are equal identities. */
export function identityKey({ tenant, experienceId, correlationId, run }: RunIdentity): string {
  return `${tenant}|${experienceId}|${correlationId}|${run}`;
}

export function parseIdentityKey(key: string): RunIdentity {
  const [tenant = "", experienceId = "", correlationId = "", run = ""] = key.split("|");
  return { tenant, experienceId, correlationId, run };
}

/** The copy of a definition by which a run is judged, whatever becomes of the definition. */
export interface RunTerms {
  readonly definitionVersion: string;
  /** Label values; `unregistered` three times for experiences without a definition. */
  readonly experienceLabel: string;
  readonly featureCategory: string;
  readonly urgency: Urgency | "unregistered";
  readonly thresholdMs: number;
  readonly timeoutMs: number;
  readonly inactivityTimeoutMs: number | undefined;
  /** The usual way; absent where the definition names none. */
  readonly path: readonly PathStep[] | undefined;
}

export const unregistered = "unregistered";

/** A checkpoint that passed the edge. Times are milliseconds since the epoch. */
export interface Checkpoint {
  readonly identity: RunIdentity;
  /** Equal keys within a run are one checkpoint. */
  readonly eventKey: string;
  /** Tells whether two checkpoints with one event key say the same. */
  readonly digest: string;
  readonly kind: CheckpointKind;
  readonly category: string | undefined;
  /** As sent. */
  readonly type: string;
  /** `type` where it is configured, else `other`. */
  readonly typeLabel: string;
  readonly clientAtMs: number;
  readonly sentAtMs: number | undefined;
  /** Time in the correlation id, where it is one that a producer made for this journey. */
  readonly ulidTimeMs: number | undefined;
  readonly sequence: number | undefined;
  /** With `end` only. */
  readonly outcome: Outcome | undefined;
  readonly errorMessage: string | undefined;
  /** With outcome `discarded` only: as sent, and as a label. */
  readonly discardReason: string | undefined;
  readonly discardLabel: string | undefined;
  readonly meta: Readonly<Record<string, string>> | undefined;
  readonly producer: string | undefined;
  /** Its producer is not believed: it moves the run, and no counter but those of anomalies. */
  readonly uncounted: true | undefined;
  /** Found before the store saw it. */
  readonly anomalies: readonly Anomaly[];
  readonly warnings: readonly PayloadWarning[];
  readonly terms: RunTerms;
}

export const anomalyReasons = [
  "duplicate_start",
  "duplicate_end",
  "conflicting_end",
  "missing_start",
  "start_after_terminal",
  "checkpoint_after_end",
  "late_end",
  "checkpoint_after_timeout",
  "checkpoint_after_discard",
  "event_id_reused",
  "timeline_full",
  "clock_skew",
  "clock_corrected",
  "definition_mismatch",
  "unknown_type",
  "unknown_experience",
  "ulid_time_mismatch",
  "path_violation",
] as const;

/** A named oddity: recorded and counted, never a reason to refuse. */
export type Anomaly = (typeof anomalyReasons)[number];

export type VerdictReason = "error" | "timeout" | "inactivity" | "missing_start";

/** An end that waits for its start. */
export interface HeldEnd {
  readonly outcome: Outcome;
  readonly occurredAtMs: number;
  readonly serverAtMs: number;
  readonly trusted: boolean;
  readonly type: string;
  readonly typeLabel: string;
  readonly errorMessage: string | undefined;
  readonly discardReason: string | undefined;
  readonly discardLabel: string | undefined;
}

/** How and when a run came to its end. Never changes. */
export interface Verdict {
  readonly reason: VerdictReason | undefined;
  /** When it was true: the end's time, or the deadline. */
  readonly verdictAtMs: number;
  readonly decidedAtMs: number;
  readonly endedAtMs: number | undefined;
  /** `undefined` when no clock can tell. */
  readonly elapsedMs: number | undefined;
  /** `undefined` where apdex does not count the run. */
  readonly apdexSuccess: boolean | undefined;
  readonly type: string;
  readonly errorMessage: string | undefined;
  readonly discardReason: string | undefined;
}

/** The first end after a timeout. */
export interface LateEnd {
  readonly atMs: number;
  readonly outcome: Outcome;
  readonly latenessMs: number;
}

/** The applied checkpoint with the latest occurred time. */
export interface LastSeen {
  readonly type: string;
  readonly typeLabel: string;
  readonly category: string | undefined;
  readonly sequence: number | undefined;
  readonly occurredAtMs: number;
}

/** Everything that is remembered of a run besides its timeline. */
export interface Run {
  readonly identity: RunIdentity;
  readonly state: RunStateName;
  readonly terms: RunTerms;
  /** Server time of the first checkpoint. Together with the identity it names this record for ever. */
  readonly bornAtMs: number;
  readonly start: RunStart | undefined;
  /** Moment from which it has lived too long; while open. */
  readonly deadlineMs: number | undefined;
  /** Moment after which the reaper acts; while open or orphan. */
  readonly dueMs: number | undefined;
  readonly heldEnd: HeldEnd | undefined;
  readonly last: LastSeen | undefined;
  /** Steps of the usual way that were seen, in order of arrival; until the verdict. */
  readonly pathMarks: readonly PathMark[] | undefined;
  /** Server time of the applied checkpoint that came last. */
  readonly lastServerMs: number;
  readonly verdict: Verdict | undefined;
  readonly lateEnd: LateEnd | undefined;
  /** A checkpoint that is not counted came before the verdict, so the run counts nowhere. */
  readonly uncounted: true | undefined;
  /** Length of the timeline. */
  readonly recorded: number;
  /** Number of outbox records so far. */
  readonly position: number;
  /** Each at most once, in order of appearance. */
  readonly anomalies: readonly Anomaly[];
}

export interface RunStart {
  readonly occurredAtMs: number;
  /** Server time at which the first start came. */
  readonly serverAtMs: number;
  /** Whether the client's clock was believed. */
  readonly trusted: boolean;
}

/** One recorded checkpoint, with the facts of the answer that it got. */
export interface TimelineEntry {
  readonly eventKey: string;
  readonly digest: string;
  readonly kind: CheckpointKind;
  readonly category: string | undefined;
  readonly type: string;
  readonly clientAtMs: number;
  readonly sentAtMs: number | undefined;
  readonly serverAtMs: number;
  readonly occurredAtMs: number;
  readonly sequence: number | undefined;
  readonly outcome: Outcome | undefined;
  readonly errorMessage: string | undefined;
  readonly discardReason: string | undefined;
  readonly meta: Readonly<Record<string, string>> | undefined;
  readonly producer: string | undefined;
  /** Whether it moved the run. */
  readonly applied: boolean;
  readonly anomalies: readonly Anomaly[];
  readonly warnings: readonly PayloadWarning[];
  readonly reply: ReplyFacts;
}

/** What the answer says about the run, as it was when the checkpoint came. */
export interface ReplyFacts {
  readonly state: RunStateName;
  /** Whether this checkpoint was the first of its run. */
  readonly opened: boolean;
  readonly deadlineMs: number | undefined;
  readonly elapsedMs: number | undefined;
  readonly apdexSuccess: boolean | undefined;
}

export function isFinal(state: RunStateName): boolean {
  return state !== "open" && state !== "orphan";
}
