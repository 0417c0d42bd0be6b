import { apdexKey, type CounterKey, checkpointKey, discardKey, lateEndKey, totalKey } from "./counters.js";
import type { Occurred } from "./occurred.js";
import type { VerdictKind } from "./outbox.js";
import { leavesPath, maxPathMarks, type PathMark } from "./path.js";
import type { Outcome } from "./payload.js";
import type { Rules } from "./rules.js";
import type { Anomaly, Checkpoint, HeldEnd, LastSeen, Run, RunStart, Verdict } from "./run.js";

/** What one row of the state machine does. */
export interface Effect {
  readonly run: Run;
  readonly counts: readonly CounterKey[];
  readonly anomalies: readonly Anomaly[];
  /** Whether the checkpoint moved the run. */
  readonly applied: boolean;
  readonly verdict: VerdictKind | undefined;
}

/** A checkpoint with its time. */
export interface Arrival {
  readonly checkpoint: Checkpoint;
  readonly occurred: Occurred;
  readonly nowMs: number;
  readonly rules: Rules;
}

/** Chooses the row by the state of the run and the kind of the checkpoint. `run` is not overdue. */
export function judge(run: Run | undefined, arrival: Arrival): Effect {
  if (run === undefined) return judgeFirst(newRecord(arrival), arrival);
  switch (run.state) {
    case "orphaned":
      return judgeFirst(reborn(run, arrival), arrival);
    case "open":
      return judgeOpen(run, arrival);
    case "orphan":
      return judgeOrphan(run, arrival);
    case "timed_out":
      return judgeTimedOut(run, arrival);
    case "discarded":
      return onlyRecorded(run, "checkpoint_after_discard");
    default:
      return judgeEnded(run, arrival);
  }
}

function judgeFirst(run: Run, arrival: Arrival): Effect {
  const { checkpoint, nowMs, rules } = arrival;
  switch (checkpoint.kind) {
    case "start":
      return opened(run, arrival);
    case "intermediate":
      return counted({ ...seen(run, arrival), dueMs: nowMs + run.terms.timeoutMs }, arrival);
    case "end":
      return held({ ...run, dueMs: nowMs + rules.missingStartGraceMs }, arrival);
  }
}

function judgeOpen(run: Run, arrival: Arrival): Effect {
  const { checkpoint } = arrival;
  switch (checkpoint.kind) {
    case "start":
      return startedTwice(run, arrival);
    case "intermediate":
      return counted(withDeadline(seen(run, arrival), arrival.rules), arrival);
    case "end":
      return ended(seen(run, arrival), endOf(arrival), arrival.nowMs);
  }
}

function judgeOrphan(run: Run, arrival: Arrival): Effect {
  const { checkpoint, nowMs, rules } = arrival;
  switch (checkpoint.kind) {
    case "start":
      return opened(run, arrival);
    case "intermediate":
      return counted(seen(run, arrival), arrival);
    case "end": {
      const graceEndsMs = nowMs + rules.missingStartGraceMs;
      if (run.heldEnd) return onlyRecorded(run, repeatedEnd(run.heldEnd.outcome, checkpoint.outcome));
      return held({ ...run, dueMs: Math.min(run.dueMs ?? graceEndsMs, graceEndsMs) }, arrival);
    }
  }
}

function judgeEnded(run: Run, { checkpoint }: Arrival): Effect {
  switch (checkpoint.kind) {
    case "start":
      return onlyRecorded(run, "start_after_terminal");
    case "intermediate":
      return onlyRecorded(run, "checkpoint_after_end");
    case "end":
      return onlyRecorded(run, repeatedEnd(run.state === "failed" ? "error" : "success", checkpoint.outcome));
  }
}

function judgeTimedOut(run: Run, { checkpoint, occurred }: Arrival): Effect {
  switch (checkpoint.kind) {
    case "start":
      return onlyRecorded(run, "start_after_terminal");
    case "intermediate":
      return onlyRecorded(run, "checkpoint_after_timeout");
    case "end": {
      if (run.lateEnd) return onlyRecorded(run, "duplicate_end");
      const outcome = checkpoint.outcome ?? "success";
      const latenessMs = Math.max(0, occurred.atMs - (run.verdict?.verdictAtMs ?? occurred.atMs));
      return {
        ...onlyRecorded({ ...run, lateEnd: { atMs: occurred.atMs, outcome, latenessMs } }, "late_end"),
        counts: [lateEndKey(run.terms, outcome)],
      };
    }
  }
}

/** The start of a run, first of all checkpoints or after others. A held end is judged at once. */
function opened(run: Run, arrival: Arrival): Effect {
  const { checkpoint, occurred, nowMs, rules } = arrival;
  const start: RunStart = { occurredAtMs: occurred.atMs, serverAtMs: nowMs, trusted: occurred.trusted };
  const open = withDeadline({ ...seen(run, arrival), state: "open", start }, rules);
  const count = checkpointKey(run.terms, checkpoint.typeLabel, "start");
  if (!run.heldEnd) return { run: open, counts: [count], anomalies: [], applied: true, verdict: undefined };
  const effect = ended(open, run.heldEnd, nowMs);
  return { ...effect, counts: [count, ...effect.counts] };
}

/** The earlier start counts. A deadline never moves later by it. */
function startedTwice(run: Run, { occurred, rules }: Arrival): Effect {
  const { start } = run;
  const earlier = start !== undefined && occurred.trusted && occurred.atMs < start.occurredAtMs;
  if (!earlier) return onlyRecorded(run, "duplicate_start");
  const moved = withDeadline({ ...run, start: { ...start, occurredAtMs: occurred.atMs, trusted: true } }, rules);
  return onlyRecorded(moved, "duplicate_start");
}

function held(run: Run, arrival: Arrival): Effect {
  const heldEnd = endOf(arrival);
  return { run: { ...seen(run, arrival), heldEnd }, counts: [], anomalies: [], applied: true, verdict: undefined };
}

/** The rows of an end whose start is known. */
function ended(run: Run, end: HeldEnd, nowMs: number): Effect {
  const { elapsedMs, skewed } = elapsedBetween(run.start, end);
  const effect = decide(run, end, elapsedMs, nowMs);
  const count = end.outcome === "discarded" ? [] : [checkpointKey(run.terms, end.typeLabel, "end")];
  const anomalies: Anomaly[] = skewed ? ["clock_skew", ...effect.anomalies] : [...effect.anomalies];
  return { ...effect, counts: [...count, ...effect.counts], anomalies };
}

/** Gives the verdict that an end stands for. Without an elapsed time there is no apdex. */
function decide(run: Run, end: HeldEnd, elapsedMs: number | undefined, nowMs: number): Effect {
  const { terms } = run;
  const verdict = {
    reason: undefined,
    verdictAtMs: end.occurredAtMs,
    decidedAtMs: nowMs,
    endedAtMs: end.occurredAtMs,
    elapsedMs,
    apdexSuccess: undefined,
    type: end.type,
    errorMessage: end.errorMessage,
    discardReason: end.discardReason,
  };
  if (end.outcome === "discarded") {
    const count = discardKey(terms, end.discardLabel ?? "unspecified");
    return { ...concluded(run, "discarded", verdict), counts: [count], verdict: "discarded" };
  }
  if (end.outcome === "error") {
    const effect = concluded(run, "failed", { ...verdict, reason: "error" });
    return { ...effect, counts: [totalKey(terms, end.typeLabel, true)], verdict: "failed" };
  }
  const apdexSuccess = elapsedMs === undefined ? undefined : elapsedMs <= terms.thresholdMs;
  const apdex = apdexSuccess === undefined ? [] : [apdexKey(terms, end.typeLabel, apdexSuccess)];
  const effect = concluded(run, "succeeded", { ...verdict, apdexSuccess });
  return { ...effect, counts: [totalKey(terms, end.typeLabel, false), ...apdex], verdict: "completed" };
}

/** Closes a run whose time is over. */
export function expired(run: Run, nowMs: number): Effect {
  if (run.state === "open") return timedOut(run, nowMs);
  return run.heldEnd ? endedWithoutStart(run, run.heldEnd, nowMs) : orphaned(run, nowMs);
}

function timedOut(run: Run, nowMs: number): Effect {
  const { start, last, terms, deadlineMs = nowMs } = run;
  const startedAtMs = start?.occurredAtMs ?? deadlineMs;
  const reason = deadlineMs >= startedAtMs + terms.timeoutMs ? "timeout" : "inactivity";
  const effect = concluded(run, "timed_out", {
    ...unknownEnd(last),
    reason,
    verdictAtMs: deadlineMs,
    decidedAtMs: nowMs,
    elapsedMs: Math.max(0, deadlineMs - startedAtMs),
  });
  const counts = [totalKey(terms, last?.typeLabel ?? "other", true), `timeouts|${terms.experienceLabel}|${reason}`];
  return { ...effect, counts, verdict: "timed_out" };
}

/** Whether it went well is known, how long it took is not. */
function endedWithoutStart(run: Run, end: HeldEnd, nowMs: number): Effect {
  const effect = decide(run, end, undefined, nowMs);
  const { verdict } = effect.run;
  const decided =
    verdict && effect.verdict === "failed"
      ? { ...effect.run, verdict: { ...verdict, reason: "missing_start" as const } }
      : effect.run;
  // The end was held back from the counters until its verdict.
  const count = end.outcome === "discarded" ? [] : [checkpointKey(run.terms, end.typeLabel, "end")];
  const anomalies: Anomaly[] = [...effect.anomalies, "missing_start"];
  return { ...effect, run: decided, counts: [...count, ...effect.counts], anomalies };
}

/** Nothing is known but that something happened. */
function orphaned(run: Run, nowMs: number): Effect {
  const verdictAtMs = run.dueMs ?? nowMs;
  const verdict = { ...unknownEnd(run.last), reason: "missing_start" as const, verdictAtMs, decidedAtMs: nowMs };
  return { ...concluded(run, "orphaned", verdict), anomalies: ["missing_start"], verdict: "orphaned" };
}

function unknownEnd(last: LastSeen | undefined): Omit<Verdict, "reason" | "verdictAtMs" | "decidedAtMs"> {
  return {
    endedAtMs: undefined,
    elapsedMs: undefined,
    apdexSuccess: undefined,
    type: last?.type ?? "other",
    errorMessage: undefined,
    discardReason: undefined,
  };
}

function concluded(run: Run, state: Run["state"], verdict: Verdict): Effect {
  const anomalies: Anomaly[] = hasLeftPath(run, state) ? ["path_violation"] : [];
  const final: Run = {
    ...run,
    state,
    verdict,
    heldEnd: undefined,
    deadlineMs: undefined,
    dueMs: undefined,
    pathMarks: undefined,
  };
  return { run: final, counts: [], anomalies, applied: true, verdict: undefined };
}

/** Said once, with the verdict, and changes nothing of it. */
function hasLeftPath({ terms: { path }, pathMarks = [], start }: Run, state: Run["state"]): boolean {
  if (!path || state === "discarded" || state === "orphaned") return false;
  return leavesPath(path, pathMarks, { startedAtMs: start?.occurredAtMs, hasSucceeded: state === "succeeded" });
}

function counted(run: Run, { checkpoint }: Arrival): Effect {
  const count = checkpointKey(run.terms, checkpoint.typeLabel, checkpoint.kind);
  return { run, counts: [count], anomalies: [], applied: true, verdict: undefined };
}

function onlyRecorded(run: Run, anomaly: Anomaly): Effect {
  return { run, counts: [], anomalies: [anomaly], applied: false, verdict: undefined };
}

function repeatedEnd(first: Outcome, second: Outcome | undefined): Anomaly {
  return first === second ? "duplicate_end" : "conflicting_end";
}

/** By occurred time; when a clock was not believed or contradicts itself, by the server's clock; or not at all. */
function elapsedBetween(
  start: RunStart | undefined,
  end: HeldEnd,
): { readonly elapsedMs: number | undefined; readonly skewed: boolean } {
  if (!start) return { elapsedMs: undefined, skewed: false };
  const occurredMs = end.occurredAtMs - start.occurredAtMs;
  const believed = start.trusted && end.trusted;
  if (believed && occurredMs >= 0) return { elapsedMs: occurredMs, skewed: false };
  const serverMs = end.serverAtMs - start.serverAtMs;
  return { elapsedMs: serverMs >= 0 ? serverMs : undefined, skewed: true };
}

function endOf({ checkpoint, occurred, nowMs }: Arrival): HeldEnd {
  return {
    outcome: checkpoint.outcome ?? "success",
    occurredAtMs: occurred.atMs,
    serverAtMs: nowMs,
    trusted: occurred.trusted,
    type: checkpoint.type,
    typeLabel: checkpoint.typeLabel,
    errorMessage: checkpoint.errorMessage,
    discardReason: checkpoint.discardReason,
    discardLabel: checkpoint.discardLabel,
  };
}

/** Remembers what held the run last, by occurred time, and that something came. */
function seen(run: Run, { checkpoint, occurred, nowMs }: Arrival): Run {
  const { type, typeLabel, category, sequence } = checkpoint;
  const latest: LastSeen = { type, typeLabel, category, sequence, occurredAtMs: occurred.atMs };
  return {
    ...run,
    last: isLater(latest, run.last) ? latest : run.last,
    pathMarks: withMark(run, category, occurred.atMs),
    lastServerMs: nowMs,
  };
}

function withMark({ terms, pathMarks }: Run, category: string | undefined, atMs: number): Run["pathMarks"] {
  const step = terms.path?.findIndex((known) => known.category === category) ?? -1;
  if (step === -1 || (pathMarks && pathMarks.length >= maxPathMarks)) return pathMarks;
  const mark: PathMark = { step, atMs };
  return [...(pathMarks ?? []), mark];
}

function isLater(next: LastSeen, last: LastSeen | undefined): boolean {
  if (!last || next.occurredAtMs !== last.occurredAtMs) return !last || next.occurredAtMs > last.occurredAtMs;
  // Of equal times the later arrival wins, unless the producer numbered them.
  return next.type !== last.type || (next.sequence ?? 0) >= (last.sequence ?? 0);
}

function withDeadline(run: Run, { lateStartGraceMs }: Rules): Run {
  const { start, terms, lastServerMs } = run;
  if (!start) return run;
  const totalMs = start.occurredAtMs + terms.timeoutMs;
  const deadlineMs =
    terms.inactivityTimeoutMs === undefined ? totalMs : Math.min(totalMs, lastServerMs + terms.inactivityTimeoutMs);
  return { ...run, deadlineMs, dueMs: Math.max(deadlineMs, start.serverAtMs + lateStartGraceMs) };
}

function newRecord({ checkpoint, nowMs }: Arrival): Run {
  return {
    identity: checkpoint.identity,
    state: "orphan",
    terms: checkpoint.terms,
    bornAtMs: nowMs,
    start: undefined,
    deadlineMs: undefined,
    dueMs: undefined,
    heldEnd: undefined,
    last: undefined,
    pathMarks: undefined,
    lastServerMs: nowMs,
    verdict: undefined,
    lateEnd: undefined,
    uncounted: undefined,
    recorded: 0,
    position: 0,
    anomalies: [],
  };
}

/** Nobody knew anything of this run, so a later checkpoint begins it. What was recorded stays. */
function reborn(run: Run, arrival: Arrival): Run {
  const { bornAtMs, recorded, position, anomalies } = run;
  return { ...newRecord(arrival), bornAtMs, recorded, position, anomalies };
}
