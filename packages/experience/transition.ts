import { anomalyKey, type CounterKey, openKey } from "./counters.js";
import { type Occurred, occurredTime } from "./occurred.js";
import type { OutboxRecord } from "./outbox.js";
import type { RunStateName } from "./payload.js";
import { type Effect, expired, judge } from "./rows.js";
import { maxTimeline, type Rules } from "./rules.js";
import { type Anomaly, type Checkpoint, isFinal, type Run, type TimelineEntry } from "./run.js";

/** What a step depends on besides the run itself. */
export interface Situation {
  readonly rules: Rules;
  /** Nothing expires before this moment, because the tracker was blind; 0 when it was not. */
  readonly holdUntilMs: number;
}

/** Everything that one step writes; a store writes all of it or nothing. */
export interface Transition {
  readonly result: "applied" | "recorded" | "duplicate";
  /** The record as it is afterwards. */
  readonly run: Run;
  /** Whether an earlier record of this identity, its timeline included, had its time and goes first. */
  readonly startsAnew: boolean;
  /** What is added to the timeline. */
  readonly entry: TimelineEntry | undefined;
  /** What the answer is made of: the new entry, the first one of a repetition, or one that found no room. */
  readonly answer: TimelineEntry;
  /** Anomalies of this very checkpoint. */
  readonly anomalies: readonly Anomaly[];
  /** Each rises by one. */
  readonly counts: readonly CounterKey[];
  /** How the numbers of open and orphan runs change. */
  readonly gauges: ReadonlyMap<CounterKey, number>;
  readonly records: readonly OutboxRecord[];
}

/** Refused by the store's clock; nothing is written. */
export interface Rejection {
  readonly result: "rejected";
  readonly code: "timestamp_out_of_range";
}

/** What the reaper's step writes. */
export type Expiry = Pick<Transition, "run" | "counts" | "gauges" | "records">;

/**
 * Judges one checkpoint. Pure: the same arguments give the same step, and `run` is not changed.
 * @param run the record under this identity
 * @param seen the entry of its timeline with this checkpoint's event key
 * @param nowMs the store's clock
 */
export function advance(
  run: Run | undefined,
  checkpoint: Checkpoint,
  nowMs: number,
  situation: Situation,
  seen?: TimelineEntry,
): Transition | Rejection {
  const { rules } = situation;
  const startsAnew = run !== undefined && isForgotten(run, nowMs, rules);
  const stored = startsAnew ? undefined : run;
  const expiry = stored && expireEffect(stored, nowMs, situation);
  const current = expiry?.run ?? stored;
  if (seen && current) return repeated(stored, current, expiry, checkpoint, seen, nowMs);

  const occurred = occurredTime(checkpoint, nowMs);
  if (!occurred.trusted && rules.rejectSkew) return { result: "rejected", code: "timestamp_out_of_range" };
  const taken = take(current, checkpoint, occurred, nowMs, rules);
  const { run: after, counts, gauges, records } = settled(stored, taken, expiry, nowMs);
  const { result, entry, answer, anomalies } = taken;
  return { result, run: after, startsAnew, entry, answer, anomalies, counts, gauges, records };
}

/** Closes a run whose time is over; `undefined` when it is not, or not any more. Pure. */
export function expire(run: Run, nowMs: number, situation: Situation): Expiry | undefined {
  const expiry = expireEffect(run, nowMs, situation);
  return expiry && settled(run, { run: expiry.run, counts: [] }, expiry, nowMs);
}

/** Whether a final record is past its retention, and thereby as good as gone. */
export function isForgotten(run: Run, nowMs: number, rules: Rules): boolean {
  return isFinal(run.state) && run.verdict !== undefined && nowMs - run.verdict.decidedAtMs > rules.retentionMs;
}

/** The last moment at which an end is still in time. */
export function lastMomentMs(dueMs: number, holdUntilMs: number): number {
  return Math.max(dueMs, holdUntilMs);
}

function expireEffect(run: Run, nowMs: number, { holdUntilMs }: Situation): Effect | undefined {
  if (isFinal(run.state) || run.dueMs === undefined) return undefined;
  if (nowMs <= lastMomentMs(run.dueMs, holdUntilMs)) return undefined;
  const effect = expired(run, nowMs);
  return { ...effect, run: noted(effect.run, effect.anomalies), counts: run.uncounted ? [] : effect.counts };
}

/** A step without what belongs to the whole of it. */
interface Taken {
  readonly result: "applied" | "recorded";
  readonly run: Run;
  readonly entry: TimelineEntry | undefined;
  readonly answer: TimelineEntry;
  readonly anomalies: readonly Anomaly[];
  readonly counts: readonly CounterKey[];
  readonly verdict: Effect["verdict"];
}

function take(
  current: Run | undefined,
  checkpoint: Checkpoint,
  occurred: Occurred,
  nowMs: number,
  rules: Rules,
): Taken {
  const opened = current === undefined || current.state === "orphaned";
  const judged = judge(current, { checkpoint, occurred, nowMs, rules });
  const fits = hasRoom(current, judged, checkpoint);
  const effect = fits || current === undefined ? judged : notRecorded(current);
  const anomalies = distinct([...checkpoint.anomalies, ...occurred.anomalies, ...effect.anomalies]);
  const run = noted(fits ? marked(effect.run, current, checkpoint) : effect.run, anomalies);
  const counts = checkpoint.uncounted || run.uncounted ? [] : effect.counts;
  const answer = entryOf(checkpoint, occurred, nowMs, { applied: effect.applied, anomalies, run, opened });
  return {
    result: effect.applied ? "applied" : "recorded",
    run: fits ? { ...run, recorded: run.recorded + 1 } : run,
    entry: fits ? answer : undefined,
    answer,
    anomalies,
    counts: anomalies.length === 0 ? counts : [...counts, ...anomalies.map(anomalyKey)],
    verdict: effect.verdict,
  };
}

/**
 * What is not counted makes the whole run count nowhere, since nobody can tell its part of the verdict from the others'. A
 * verdict that was counted stays so.
 */
function marked(run: Run, before: Run | undefined, { uncounted }: Checkpoint): Run {
  const hasVerdict = before !== undefined && isFinal(before.state) && before.state !== "orphaned";
  return uncounted && !hasVerdict ? { ...run, uncounted } : run;
}

/** A full timeline takes only ends that still have an effect. */
function hasRoom(current: Run | undefined, effect: Effect, checkpoint: Checkpoint): boolean {
  if (!current || current.recorded < maxTimeline) return true;
  return checkpoint.kind === "end" && (effect.applied || effect.run !== current);
}

function notRecorded(run: Run): Effect {
  return { run, counts: [], anomalies: ["timeline_full"], applied: false, verdict: undefined };
}

function repeated(
  stored: Run | undefined,
  current: Run,
  expiry: Effect | undefined,
  checkpoint: Checkpoint,
  first: TimelineEntry,
  nowMs: number,
): Transition {
  const reused: Anomaly[] = checkpoint.digest === first.digest ? [] : ["event_id_reused"];
  const step = settled(stored, { run: current, counts: reused.map(anomalyKey) }, expiry, nowMs);
  const anomalies = [...first.anomalies, ...reused];
  return { result: "duplicate", startsAnew: false, entry: undefined, answer: first, anomalies, ...step };
}

/** Puts together what the expiry and the checkpoint of one step write. */
function settled(
  stored: Run | undefined,
  taken: Pick<Taken, "run" | "counts"> & Partial<Taken>,
  expiry: Effect | undefined,
  nowMs: number,
): Expiry {
  const records: OutboxRecord[] = [];
  let { position } = taken.run;
  const expiryKind = expiry?.verdict;
  const { entry, verdict } = taken;
  const last = position + (expiryKind ? 1 : 0) + (entry ? 1 : 0) + (entry && verdict ? 1 : 0);
  const run = last === position ? taken.run : { ...taken.run, position: last };
  if (expiry && expiryKind) {
    // What came after a verdict may belong to it, as a late end does; what begins anew does not.
    const reborn = expiry.run.state !== run.state;
    records.push({
      kind: expiryKind,
      position: position++,
      atMs: nowMs,
      run: reborn ? expiry.run : run,
      entry: undefined,
    });
  }
  if (entry) records.push({ kind: "checkpoint_recorded", position: position++, atMs: nowMs, run, entry });
  if (entry && verdict) records.push({ kind: verdict, position: position++, atMs: nowMs, run, entry });
  const counts = expiry ? [...expiry.counts, ...expiry.anomalies.map(anomalyKey), ...taken.counts] : taken.counts;
  return { run, counts, gauges: gaugesBetween(stored, run), records };
}

const noChanges: ReadonlyMap<CounterKey, number> = new Map();

function gaugesBetween(before: Run | undefined, after: Run): ReadonlyMap<CounterKey, number> {
  if (before?.state === after.state) return noChanges;
  const changes = new Map<CounterKey, number>();
  const change = (state: RunStateName | undefined, by: number): void => {
    if (state === "open" || state === "orphan") changes.set(openKey(state), by);
  };
  change(before?.state, -1);
  change(after.state, 1);
  return changes;
}

function noted(run: Run, anomalies: readonly Anomaly[]): Run {
  if (anomalies.length === 0) return run;
  const fresh = anomalies.filter((anomaly) => !run.anomalies.includes(anomaly));
  return fresh.length === 0 ? run : { ...run, anomalies: [...run.anomalies, ...fresh] };
}

function distinct(anomalies: readonly Anomaly[]): readonly Anomaly[] {
  return anomalies.length < 2 ? anomalies : [...new Set(anomalies)];
}

interface EntryFacts {
  readonly applied: boolean;
  readonly anomalies: readonly Anomaly[];
  readonly run: Run;
  readonly opened: boolean;
}

function entryOf(
  checkpoint: Checkpoint,
  occurred: Occurred,
  nowMs: number,
  { applied, anomalies, run, opened }: EntryFacts,
): TimelineEntry {
  const { eventKey, digest, kind, category, type, clientAtMs, sentAtMs, sequence } = checkpoint;
  const { outcome, errorMessage, discardReason, meta, producer, warnings } = checkpoint;
  return {
    eventKey,
    digest,
    kind,
    category,
    type,
    clientAtMs,
    sentAtMs,
    serverAtMs: nowMs,
    occurredAtMs: occurred.atMs,
    sequence,
    outcome,
    errorMessage,
    discardReason,
    meta,
    producer,
    applied,
    anomalies,
    warnings,
    reply: {
      state: run.state,
      opened,
      deadlineMs: run.state === "open" ? run.deadlineMs : undefined,
      elapsedMs: run.verdict?.elapsedMs,
      apdexSuccess: run.verdict?.apdexSuccess,
    },
  };
}
