import type { Anomaly, Outcome, RunStateName, VerdictReason } from "../index.js";

/** One row of the state machine, or an edge of it, as data. Times are milliseconds after the case began. */
export interface TransitionCase {
  readonly title: string;
  /** Default: threshold 2 s, timeout 30 s. */
  readonly terms?: { readonly inactivityTimeoutMs?: number; readonly path?: readonly CasePathStep[] };
  readonly steps: readonly CaseStep[];
  /** What the record says in the end. */
  readonly ends: {
    readonly state: RunStateName | "none";
    readonly reason?: VerdictReason;
    readonly verdictAt?: number;
    readonly elapsedMs?: number | "unknown";
    readonly anomalies?: readonly Anomaly[];
    readonly recorded?: number;
    readonly deadline?: number;
    readonly due?: number;
    readonly lateByMs?: number;
    readonly uncounted?: boolean;
  };
}

/** A step of the usual way, as a definition file has it. */
export interface CasePathStep {
  readonly category: string;
  readonly optional?: boolean;
  readonly max_gap_s?: number;
}

export interface CaseStep {
  readonly at: number;
  /** A checkpoint, or what else happens then. */
  readonly do: "start" | "intermediate" | "end" | "reap" | "heartbeat";
  readonly outcome?: Outcome;
  /** When the client says it happened; default: `at`. */
  readonly occurred?: number;
  /** When the client says it sent. */
  readonly sent?: number;
  readonly type?: string;
  readonly category?: string;
  readonly eventId?: string;
  readonly reason?: string;
  readonly sequence?: number;
  /** Whether its producer is not believed. */
  readonly uncounted?: boolean;
  /** How often this step is done; default once. */
  readonly times?: number;
  /** What counts in the end of the step: `C(start)`, `T(true)`, `A(false)`, `timeout`, `late(error)`, `discard(cancelled)`. */
  readonly counts?: readonly string[];
  readonly result?: "applied" | "recorded" | "duplicate";
  readonly opens?: boolean;
}

const day = 86_400_000;

/** Cart, perhaps an address, payment within 5 s of what came before. */
const checkoutPath: readonly CasePathStep[] = [
  { category: "cart" },
  { category: "address", optional: true },
  { category: "payment", max_gap_s: 5 },
];

export const transitionCases: readonly TransitionCase[] = [
  {
    title: "XP-280 a start opens a run with its deadline",
    steps: [{ at: 0, do: "start", counts: ["C(start)"], result: "applied", opens: true }],
    ends: { state: "open", deadline: 30_000, due: 30_000, recorded: 1 },
  },
  {
    title: "XP-281 XP-343 a start whose deadline has passed waits a little for its end",
    steps: [
      { at: 0, do: "start", occurred: -60_000, counts: ["C(start)"] },
      { at: 5_000, do: "reap" },
      { at: 5_000, do: "end", occurred: -59_000, counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 1_000, verdictAt: -59_000 },
  },
  {
    title: "XP-281 XP-342 without an end it has timed out at its own deadline",
    steps: [
      { at: 0, do: "start", occurred: -60_000, counts: ["C(start)"] },
      { at: 5_001, do: "reap", counts: ["T(true)", "timeout"] },
    ],
    ends: { state: "timed_out", reason: "timeout", verdictAt: -30_000, elapsedMs: 30_000 },
  },
  {
    title: "XP-282 an intermediate without a start makes an orphan",
    steps: [{ at: 0, do: "intermediate", counts: ["C(intermediate)"], opens: true }],
    ends: { state: "orphan", due: 30_000 },
  },
  {
    title: "XP-283 an end without a start is held and counts nothing yet",
    steps: [{ at: 0, do: "end", counts: [], opens: true, result: "applied" }],
    ends: { state: "orphan", due: 30_000 },
  },
  {
    title: "XP-285 a repeated event key changes nothing",
    steps: [
      { at: 0, do: "start", eventId: "a", counts: ["C(start)"] },
      { at: 10, do: "start", eventId: "a", occurred: 0, counts: [], result: "duplicate", times: 3 },
    ],
    ends: { state: "open", recorded: 1, anomalies: [], deadline: 30_000 },
  },
  {
    title: "XP-285 another content under a known event key changes nothing either",
    steps: [
      { at: 0, do: "start", eventId: "a", counts: ["C(start)"] },
      { at: 10, do: "end", eventId: "a", counts: [], result: "duplicate" },
    ],
    ends: { state: "open", recorded: 1, anomalies: [] },
  },
  {
    title: "XP-287 a second start is recorded, the earlier one is kept",
    steps: [
      { at: 0, do: "start", counts: ["C(start)"] },
      { at: 5_000, do: "start", counts: [], result: "recorded" },
    ],
    ends: { state: "open", deadline: 30_000, anomalies: ["duplicate_start"], recorded: 2 },
  },
  {
    title: "XP-287 an earlier second start moves the deadline earlier",
    steps: [
      { at: 0, do: "start", counts: ["C(start)"] },
      { at: 5_000, do: "start", occurred: -1_000, counts: [] },
      { at: 6_000, do: "end", occurred: 1_500, counts: ["C(end)", "T(false)", "A(false)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 2_500, anomalies: ["duplicate_start"] },
  },
  {
    title: "XP-288 XP-340 an intermediate never extends the total deadline",
    steps: [
      { at: 0, do: "start" },
      { at: 20_000, do: "intermediate", counts: ["C(intermediate)"], result: "applied", opens: false },
    ],
    ends: { state: "open", deadline: 30_000 },
  },
  {
    title: "XP-288 XP-340 an intermediate renews the inactivity deadline",
    terms: { inactivityTimeoutMs: 10_000 },
    steps: [
      { at: 0, do: "start" },
      { at: 8_000, do: "intermediate" },
      { at: 16_000, do: "intermediate" },
    ],
    ends: { state: "open", deadline: 26_000 },
  },
  {
    title: "XP-340 the inactivity deadline is never later than the total one",
    terms: { inactivityTimeoutMs: 10_000 },
    steps: [
      { at: 0, do: "start" },
      { at: 9_000, do: "intermediate" },
      { at: 18_000, do: "intermediate" },
      { at: 27_000, do: "intermediate" },
    ],
    ends: { state: "open", deadline: 30_000 },
  },
  {
    title: "XP-293 silence longer than allowed is a timeout by inactivity",
    terms: { inactivityTimeoutMs: 10_000 },
    steps: [
      { at: 0, do: "start" },
      { at: 3_000, do: "intermediate" },
      { at: 13_001, do: "reap", counts: ["T(true)", "inactivity"] },
    ],
    ends: { state: "timed_out", reason: "inactivity", verdictAt: 13_000, elapsedMs: 13_000 },
  },
  {
    title: "XP-289 an end at the threshold satisfies",
    steps: [
      { at: 0, do: "start" },
      { at: 2_000, do: "end", counts: ["C(end)", "T(false)", "A(true)"], result: "applied" },
    ],
    ends: { state: "succeeded", elapsedMs: 2_000, verdictAt: 2_000 },
  },
  {
    title: "XP-290 a millisecond more does not",
    steps: [
      { at: 0, do: "start" },
      { at: 2_001, do: "end", counts: ["C(end)", "T(false)", "A(false)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 2_001 },
  },
  {
    title: "XP-291 an end with an error fails and never counts for apdex",
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "end", outcome: "error", counts: ["C(end)", "T(true)"] },
    ],
    ends: { state: "failed", reason: "error", elapsedMs: 100 },
  },
  {
    title: "XP-292 a discarded run counts nowhere, its earlier checkpoints stay",
    steps: [
      { at: 0, do: "start", counts: ["C(start)"] },
      { at: 10, do: "intermediate", counts: ["C(intermediate)"] },
      { at: 100, do: "end", outcome: "discarded", reason: "user_error", counts: ["discard(user_error)"] },
    ],
    ends: { state: "discarded" },
  },
  {
    title: "XP-292 XP-213 a reason that is not configured counts as other",
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "end", outcome: "discarded", reason: "mood", counts: ["discard(other)"] },
    ],
    ends: { state: "discarded" },
  },
  {
    title: "XP-293 XP-431 a run without an end fails once, at its deadline",
    steps: [
      { at: 0, do: "start" },
      { at: 3_600_000, do: "reap", counts: ["T(true)", "timeout"] },
      { at: 3_600_001, do: "reap", counts: [] },
    ],
    ends: { state: "timed_out", reason: "timeout", verdictAt: 30_000, elapsedMs: 30_000 },
  },
  {
    title: "XP-293 XP-307 an end that comes too late finds the timeout by itself",
    steps: [
      { at: 0, do: "start" },
      { at: 30_001, do: "end", counts: ["T(true)", "timeout", "late(success)"], result: "recorded" },
    ],
    ends: { state: "timed_out", reason: "timeout", verdictAt: 30_000, anomalies: ["late_end"], lateByMs: 1 },
  },
  {
    title: "XP-293 XP-309 so does an intermediate",
    steps: [
      { at: 0, do: "start" },
      { at: 30_001, do: "intermediate", counts: ["T(true)", "timeout"], result: "recorded" },
    ],
    ends: { state: "timed_out", verdictAt: 30_000, anomalies: ["checkpoint_after_timeout"] },
  },
  {
    title: "XP-294 an end at the very deadline is in time",
    steps: [
      { at: 0, do: "start" },
      { at: 30_000, do: "reap", counts: [] },
      { at: 30_000, do: "end", counts: ["C(end)", "T(false)", "A(false)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 30_000 },
  },
  {
    title: "XP-295 a start adopts what was recorded before it",
    steps: [
      { at: 0, do: "intermediate", counts: ["C(intermediate)"] },
      { at: 1_000, do: "start", occurred: -500, counts: ["C(start)"], opens: false },
    ],
    ends: { state: "open", deadline: 29_500, recorded: 2 },
  },
  {
    title: "XP-296 a start that arrives after its end closes the run by occurred times",
    steps: [
      { at: 0, do: "end", occurred: -100 },
      { at: 1_000, do: "start", occurred: -1_600, counts: ["C(start)", "C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 1_500, verdictAt: -100 },
  },
  {
    title: "XP-296 with a held error it fails",
    steps: [
      { at: 0, do: "end", outcome: "error" },
      { at: 1_000, do: "start", occurred: -1_000, counts: ["C(start)", "C(end)", "T(true)"] },
    ],
    ends: { state: "failed", reason: "error", elapsedMs: 1_000 },
  },
  {
    title: "XP-296 with a held discard it counts only its start",
    steps: [
      { at: 0, do: "end", outcome: "discarded", reason: "cancelled" },
      { at: 1_000, do: "start", occurred: -1_000, counts: ["C(start)", "discard(cancelled)"] },
    ],
    ends: { state: "discarded" },
  },
  {
    title: "XP-297 an orphan counts intermediates",
    steps: [
      { at: 0, do: "intermediate" },
      { at: 5_000, do: "intermediate", counts: ["C(intermediate)"] },
    ],
    ends: { state: "orphan", due: 30_000, recorded: 2 },
  },
  {
    title: "XP-298 an orphan holds its end, for no longer than it would have lived",
    steps: [
      { at: 0, do: "intermediate" },
      { at: 20_000, do: "end", counts: [], result: "applied" },
    ],
    ends: { state: "orphan", due: 30_000 },
  },
  {
    title: "XP-299 of two held ends the first stays",
    steps: [
      { at: 0, do: "end" },
      { at: 1_000, do: "end", outcome: "error", counts: [], result: "recorded" },
      { at: 2_000, do: "end", counts: [], result: "recorded" },
      { at: 30_001, do: "reap", counts: ["C(end)", "T(false)"] },
    ],
    ends: {
      state: "succeeded",
      elapsedMs: "unknown",
      anomalies: ["conflicting_end", "duplicate_end", "missing_start"],
    },
  },
  {
    title: "XP-300 an end whose start never came counts without apdex",
    steps: [
      { at: 0, do: "end", occurred: -50 },
      { at: 30_001, do: "reap", counts: ["C(end)", "T(false)"] },
    ],
    ends: { state: "succeeded", elapsedMs: "unknown", verdictAt: -50, anomalies: ["missing_start"] },
  },
  {
    title: "XP-300 a held error fails",
    steps: [
      { at: 0, do: "end", outcome: "error" },
      { at: 30_001, do: "reap", counts: ["C(end)", "T(true)"] },
    ],
    ends: { state: "failed", reason: "missing_start", elapsedMs: "unknown", anomalies: ["missing_start"] },
  },
  {
    title: "XP-300 a held discard counts nowhere",
    steps: [
      { at: 0, do: "end", outcome: "discarded", reason: "cancelled" },
      { at: 30_001, do: "reap", counts: ["discard(cancelled)"] },
    ],
    ends: { state: "discarded", anomalies: ["missing_start"] },
  },
  {
    title: "XP-302 an orphan of which nothing more is heard has no verdict",
    steps: [
      { at: 0, do: "intermediate" },
      { at: 30_001, do: "reap", counts: [] },
    ],
    ends: { state: "orphaned", anomalies: ["missing_start"] },
  },
  {
    title: "XP-303 a start after the end does not reopen",
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "end" },
      { at: 200, do: "start", counts: [], result: "recorded" },
    ],
    ends: { state: "succeeded", anomalies: ["start_after_terminal"], recorded: 3 },
  },
  {
    title: "XP-304 an intermediate after the end is recorded",
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "end" },
      { at: 200, do: "intermediate", counts: [], result: "recorded" },
    ],
    ends: { state: "succeeded", anomalies: ["checkpoint_after_end"] },
  },
  {
    title: "XP-305 a second end of the same outcome is recorded",
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "end", outcome: "error" },
      { at: 200, do: "end", outcome: "error", counts: [], result: "recorded" },
    ],
    ends: { state: "failed", anomalies: ["duplicate_end"] },
  },
  {
    title: "XP-306 a second end of another outcome changes no verdict",
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "end" },
      { at: 200, do: "end", outcome: "error", counts: [], result: "recorded" },
    ],
    ends: { state: "succeeded", elapsedMs: 100, anomalies: ["conflicting_end"] },
  },
  {
    title: "XP-307 the first end after a timeout is late and no verdict",
    steps: [
      { at: 0, do: "start" },
      { at: 40_000, do: "reap", counts: ["T(true)", "timeout"] },
      { at: 50_000, do: "end", outcome: "error", counts: ["late(error)"], result: "recorded" },
    ],
    ends: { state: "timed_out", anomalies: ["late_end"], lateByMs: 20_000, verdictAt: 30_000 },
  },
  {
    title: "XP-307 an end that happened before the deadline is late by nothing",
    steps: [
      { at: 0, do: "start" },
      { at: 40_000, do: "reap" },
      { at: 50_000, do: "end", occurred: 29_000, counts: ["late(success)"] },
    ],
    ends: { state: "timed_out", anomalies: ["late_end"], lateByMs: 0 },
  },
  {
    title: "XP-309 after a timeout starts, further ends and intermediates are recorded",
    steps: [
      { at: 0, do: "start" },
      { at: 40_000, do: "reap" },
      { at: 41_000, do: "start", counts: [], result: "recorded" },
      { at: 42_000, do: "end" },
      { at: 43_000, do: "end", outcome: "error", counts: [], result: "recorded" },
      { at: 44_000, do: "intermediate", counts: [], result: "recorded" },
    ],
    ends: {
      state: "timed_out",
      lateByMs: 12_000,
      anomalies: ["start_after_terminal", "late_end", "duplicate_end", "checkpoint_after_timeout"],
    },
  },
  {
    title: "XP-311 nothing follows a discard",
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "end", outcome: "discarded" },
      { at: 200, do: "start", counts: [], result: "recorded" },
      { at: 300, do: "end", counts: [], result: "recorded" },
      { at: 400, do: "intermediate", counts: [], result: "recorded" },
    ],
    ends: { state: "discarded", anomalies: ["checkpoint_after_discard"], recorded: 5 },
  },
  {
    title: "XP-312 an orphaned run begins again and keeps what was recorded",
    steps: [
      { at: 0, do: "intermediate" },
      { at: 40_000, do: "reap" },
      { at: 50_000, do: "start", counts: ["C(start)"], opens: true },
      { at: 51_000, do: "end", counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 1_000, recorded: 3, anomalies: ["missing_start"] },
  },
  {
    title: "XP-302 XP-312 an input finds an overdue orphan by itself",
    steps: [
      { at: 0, do: "intermediate" },
      { at: 30_001, do: "start", counts: ["C(start)"], opens: true },
    ],
    ends: { state: "open", deadline: 60_001, recorded: 2, anomalies: ["missing_start"] },
  },
  {
    title: "XP-300 XP-303 an input finds an overdue held end by itself",
    steps: [
      { at: 0, do: "end" },
      { at: 30_001, do: "start", counts: ["C(end)", "T(false)"], result: "recorded", opens: false },
    ],
    ends: { state: "succeeded", anomalies: ["missing_start", "start_after_terminal"] },
  },
  {
    title: "XP-313 a record past its retention is forgotten",
    steps: [
      { at: 0, do: "start", eventId: "a" },
      { at: 100, do: "end" },
      { at: 100 + day + 1, do: "start", eventId: "a", counts: ["C(start)"], opens: true, result: "applied" },
    ],
    ends: { state: "open", recorded: 1, anomalies: ["ulid_time_mismatch"] },
  },
  {
    title: "XP-313 until then it is known",
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "end" },
      { at: 100 + day, do: "intermediate", counts: [], result: "recorded" },
    ],
    ends: { state: "succeeded", anomalies: ["ulid_time_mismatch", "checkpoint_after_end"] },
  },
  {
    title: "XP-314 a full timeline takes only the end",
    steps: [
      { at: 0, do: "start", counts: ["C(start)"] },
      { at: 1, do: "intermediate", times: 999 },
      { at: 2, do: "intermediate", counts: [], result: "recorded" },
      { at: 3, do: "start", counts: [], result: "recorded" },
      { at: 100, do: "end", counts: ["C(end)", "T(false)", "A(true)"], result: "applied" },
      { at: 200, do: "end", counts: [], result: "recorded" },
    ],
    ends: { state: "succeeded", recorded: 1_001, anomalies: ["timeline_full"] },
  },
  {
    title: "XP-315 XP-736 after a gap an end is in time until the hold ends",
    steps: [
      { at: 0, do: "heartbeat" },
      { at: 1_000, do: "start" },
      { at: 61_000, do: "heartbeat" },
      { at: 91_000, do: "reap", counts: [] },
      { at: 91_000, do: "end", occurred: 2_000, counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 1_000 },
  },
  {
    title: "XP-315 XP-736 and the run times out when it does not come",
    steps: [
      { at: 0, do: "heartbeat" },
      { at: 1_000, do: "start" },
      { at: 61_000, do: "heartbeat" },
      { at: 91_001, do: "reap", counts: ["T(true)", "timeout"] },
    ],
    ends: { state: "timed_out", verdictAt: 31_000 },
  },
  {
    title: "XP-736 the hold is no longer than the gap",
    steps: [
      { at: 0, do: "heartbeat" },
      { at: 1_000, do: "start" },
      { at: 11_000, do: "heartbeat" },
      { at: 31_000, do: "heartbeat" },
      { at: 51_000, do: "reap", counts: [] },
      { at: 51_001, do: "reap", counts: ["T(true)", "timeout"] },
    ],
    ends: { state: "timed_out", verdictAt: 31_000 },
  },
  {
    title: "XP-330 a timeout is counted under the type of the latest checkpoint by occurred time",
    steps: [
      { at: 0, do: "start", type: "web" },
      { at: 5_000, do: "intermediate", type: "sidekiq", counts: ["C(intermediate)@sidekiq"] },
      { at: 6_000, do: "intermediate", type: "web", occurred: 1_000 },
      { at: 40_000, do: "reap", counts: ["T(true)@sidekiq", "timeout"] },
    ],
    ends: { state: "timed_out" },
  },
  {
    title: "XP-216 XP-330 of equal times the higher number is the later one",
    steps: [
      { at: 0, do: "start", sequence: 0, category: "a" },
      { at: 10, do: "intermediate", occurred: 0, sequence: 2, category: "c" },
      { at: 20, do: "intermediate", occurred: 0, sequence: 1, category: "b" },
    ],
    ends: { state: "open", recorded: 3 },
  },
  {
    title: "XP-204 XP-330 a type that is not configured counts as other",
    steps: [
      { at: 0, do: "start", type: "toaster", counts: ["C(start)@other"] },
      { at: 100, do: "end", counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", anomalies: ["unknown_type"] },
  },
  {
    title: "XP-345 a producer that says when it sent has its clock corrected",
    steps: [
      { at: 0, do: "start", occurred: -3_600_000, sent: -3_599_000 },
      { at: 1_500, do: "end", occurred: -3_598_000, sent: -3_597_500, counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 2_000, anomalies: ["clock_corrected"] },
  },
  {
    title: "XP-345 up to ten seconds of difference are left alone",
    steps: [{ at: 0, do: "start", occurred: -9_000, sent: -10_000 }],
    ends: { state: "open", deadline: 21_000, anomalies: [] },
  },
  {
    title: "XP-345 XP-346 a clock a day slow gives the server's time and no early timeout",
    steps: [
      { at: 0, do: "start", occurred: -day - 1 },
      { at: 20_000, do: "reap", counts: [] },
      { at: 20_500, do: "end", occurred: -day + 500, counts: ["C(end)", "T(false)", "A(false)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 20_500, anomalies: ["clock_skew"] },
  },
  {
    title: "XP-345 XP-346 a clock a day fast gives a run with a deadline",
    steps: [
      { at: 0, do: "start", occurred: day },
      { at: 30_001, do: "reap", counts: ["T(true)", "timeout"] },
    ],
    ends: { state: "timed_out", verdictAt: 30_000, anomalies: ["clock_skew"] },
  },
  {
    title: "XP-345 a minute ahead is believed",
    steps: [{ at: 0, do: "start", occurred: 60_000 }],
    ends: { state: "open", deadline: 90_000, anomalies: [] },
  },
  {
    title: "XP-346 an end before its start is measured by the server",
    steps: [
      { at: 0, do: "start", occurred: 0 },
      { at: 1_200, do: "end", occurred: -4_000, counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", elapsedMs: 1_200, anomalies: ["clock_skew"] },
  },
  {
    title: "XP-346 when no clock can tell, apdex is not counted",
    steps: [
      { at: 0, do: "end", occurred: -4_000 },
      { at: 1_200, do: "start", occurred: 0, counts: ["C(start)", "C(end)", "T(false)"] },
    ],
    ends: { state: "succeeded", elapsedMs: "unknown", anomalies: ["clock_skew"] },
  },
  {
    title: "XP-007 XP-331 the usual way is no oddity, with its optional step or without",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "cart" },
      { at: 200, do: "intermediate", category: "payment" },
      { at: 300, do: "end", counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", anomalies: [] },
  },
  {
    title: "XP-007 XP-331 a step may be repeated, and others may stand between",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "cart" },
      { at: 150, do: "intermediate", category: "cart" },
      { at: 160, do: "intermediate", category: "coupon" },
      { at: 200, do: "intermediate", category: "address" },
      { at: 300, do: "intermediate", category: "payment" },
      { at: 400, do: "end" },
    ],
    ends: { state: "succeeded", anomalies: [] },
  },
  {
    title: "XP-007 XP-331 a run that skips a step has left the way, and its verdict stays",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "payment" },
      { at: 200, do: "end", counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", anomalies: ["path_violation"] },
  },
  {
    title: "XP-007 XP-331 so has one that ends well before the last step",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "cart" },
      { at: 200, do: "end" },
    ],
    ends: { state: "succeeded", anomalies: ["path_violation"] },
  },
  {
    title: "XP-007 XP-331 one that fails on the way has not",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "cart" },
      { at: 200, do: "end", outcome: "error" },
    ],
    ends: { state: "failed", anomalies: [] },
  },
  {
    title: "XP-007 XP-331 nor has one that times out on the way",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "cart" },
      { at: 30_001, do: "reap" },
    ],
    ends: { state: "timed_out", anomalies: [] },
  },
  {
    title: "XP-007 XP-331 one that times out after a skipped step has",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "payment" },
      { at: 30_001, do: "reap" },
    ],
    ends: { state: "timed_out", anomalies: ["path_violation"] },
  },
  {
    title: "XP-007 XP-331 going backwards leaves the way",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "cart" },
      { at: 200, do: "intermediate", category: "payment" },
      { at: 300, do: "intermediate", category: "cart" },
      { at: 400, do: "end" },
    ],
    ends: { state: "succeeded", anomalies: ["path_violation"] },
  },
  {
    title: "XP-007 XP-331 the order of occurrence counts, not that of arrival",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 200, do: "intermediate", category: "payment" },
      { at: 300, do: "intermediate", category: "cart", occurred: 100 },
      { at: 400, do: "end" },
    ],
    ends: { state: "succeeded", anomalies: [] },
  },
  {
    title: "XP-007 XP-331 a gap as long as allowed is one",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "cart" },
      { at: 5100, do: "intermediate", category: "payment" },
      { at: 5_200, do: "end" },
    ],
    ends: { state: "succeeded", anomalies: [] },
  },
  {
    title: "XP-007 XP-331 a longer gap leaves the way",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "cart" },
      { at: 5101, do: "intermediate", category: "payment" },
      { at: 5_200, do: "end" },
    ],
    ends: { state: "succeeded", anomalies: ["path_violation"] },
  },
  {
    title: "XP-007 XP-331 a discarded run has no way",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "payment" },
      { at: 200, do: "end", outcome: "discarded" },
    ],
    ends: { state: "discarded", anomalies: [] },
  },
  {
    title: "XP-007 XP-331 an end that is a step itself completes the way",
    terms: { path: checkoutPath },
    steps: [
      { at: 0, do: "start" },
      { at: 100, do: "intermediate", category: "cart" },
      { at: 200, do: "end", category: "payment" },
    ],
    ends: { state: "succeeded", anomalies: [] },
  },
  {
    title: "XP-007 XP-331 an end whose start never came is judged by what was seen",
    terms: { path: checkoutPath },
    steps: [
      { at: 100, do: "intermediate", category: "payment" },
      { at: 200, do: "end" },
      { at: 30_300, do: "reap" },
    ],
    ends: { state: "succeeded", anomalies: ["path_violation", "missing_start"] },
  },
  {
    title: "XP-706 what is not counted moves a run that counts nowhere, also by what others send later",
    steps: [
      { at: 0, do: "start", uncounted: true, counts: [], result: "applied", opens: true },
      { at: 1_000, do: "intermediate", counts: [] },
      { at: 1_500, do: "end", counts: [] },
      { at: 1_600, do: "end", outcome: "error", counts: [] },
    ],
    ends: { state: "succeeded", elapsedMs: 1_500, recorded: 4, uncounted: true, anomalies: ["conflicting_end"] },
  },
  {
    title: "XP-706 a run that began well and ends by what is not counted has a verdict that counts nowhere",
    steps: [
      { at: 0, do: "start", counts: ["C(start)"] },
      { at: 1_000, do: "end", outcome: "error", uncounted: true, counts: [] },
    ],
    ends: { state: "failed", reason: "error", uncounted: true },
  },
  {
    title: "XP-706 nor does such a run count when it times out, or when its end comes late",
    steps: [
      { at: 0, do: "start", counts: ["C(start)"] },
      { at: 500, do: "start", uncounted: true, counts: [] },
      { at: 30_001, do: "reap", counts: [] },
      { at: 31_000, do: "end", counts: [] },
    ],
    ends: { state: "timed_out", uncounted: true, lateByMs: 1_000, anomalies: ["duplicate_start", "late_end"] },
  },
  {
    title: "XP-706 a verdict that was counted stays counted, whatever comes later",
    steps: [
      { at: 0, do: "start", counts: ["C(start)"] },
      { at: 30_001, do: "end", uncounted: true, counts: ["T(true)", "timeout"] },
    ],
    ends: { state: "timed_out", uncounted: false, lateByMs: 1 },
  },
  {
    title: "XP-706 a run that was given up and begins anew counts",
    steps: [
      { at: 0, do: "intermediate", uncounted: true, counts: [] },
      { at: 30_001, do: "reap", counts: [] },
      { at: 31_000, do: "start", counts: ["C(start)"] },
      { at: 32_000, do: "end", counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", uncounted: false },
  },
  {
    title: "XP-706 what finds no room in the timeline leaves the run as it is",
    steps: [
      { at: 0, do: "start", counts: ["C(start)"] },
      { at: 1, do: "intermediate", times: 999 },
      { at: 2, do: "intermediate", uncounted: true, counts: [] },
      { at: 1_000, do: "end", counts: ["C(end)", "T(false)", "A(true)"] },
    ],
    ends: { state: "succeeded", uncounted: false },
  },
];
