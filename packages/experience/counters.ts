import type { CheckpointKind, Outcome } from "./payload.js";
import type { Anomaly, RunTerms } from "./run.js";

/**
 * Counters are kept by the state store under one text each: family and label values joined with `|`, which no value
 * contains. All rise by one at a time, but for the gauges of the family `open`.
 */
export type CounterKey = string;

export const counterFamilies = [
  "checkpoint",
  "total",
  "apdex",
  "timeouts",
  "late_ends",
  "discards",
  "anomalies",
  "open",
] as const;
export type CounterFamily = (typeof counterFamilies)[number];

function seriesOf(terms: RunTerms, type: string): string {
  return `${terms.experienceLabel}|${terms.featureCategory}|${terms.urgency}|${type}`;
}

/** C: a checkpoint was applied. */
export function checkpointKey(terms: RunTerms, type: string, kind: CheckpointKind): CounterKey {
  return `checkpoint|${seriesOf(terms, type)}|${kind}`;
}

/** T: a run ended, with an error or without. */
export function totalKey(terms: RunTerms, type: string, error: boolean): CounterKey {
  return `total|${seriesOf(terms, type)}|${error}`;
}

/** A: a run ended without an error, satisfying or not. */
export function apdexKey(terms: RunTerms, type: string, success: boolean): CounterKey {
  return `apdex|${seriesOf(terms, type)}|${success}`;
}

export function timeoutKey(terms: RunTerms, reason: "timeout" | "inactivity"): CounterKey {
  return `timeouts|${terms.experienceLabel}|${reason}`;
}

export function lateEndKey(terms: RunTerms, outcome: Outcome): CounterKey {
  return `late_ends|${terms.experienceLabel}|${outcome}`;
}

export function discardKey(terms: RunTerms, reasonLabel: string): CounterKey {
  return `discards|${terms.experienceLabel}|${reasonLabel}`;
}

export function anomalyKey(anomaly: Anomaly): CounterKey {
  return `anomalies|${anomaly}`;
}

/** Gauge: runs in this state now. */
export function openKey(state: "open" | "orphan"): CounterKey {
  return `open|${state}`;
}

export function splitCounterKey(key: CounterKey): readonly string[] {
  return key.split("|");
}
