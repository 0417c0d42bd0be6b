/** What became of the runs of an experience, counted. */
export interface Figures {
  /** Runs that ended or timed out. */
  readonly operations: number;
  /** Of these: failed or timed out. */
  readonly errors: number;
  readonly timeouts: number;
  /** Runs that count for apdex. */
  readonly apdexWeight: number;
  /** Of these: satisfied. */
  readonly apdexSuccess: number;
}

export interface Objective {
  readonly apdexPct: number;
  readonly errorPct: number;
}

export const noFigures: Figures = { operations: 0, errors: 0, timeouts: 0, apdexWeight: 0, apdexSuccess: 0 };

export function addFigures(figures: readonly Figures[]): Figures {
  return figures.reduce<Figures>(
    (sum, next) => ({
      operations: sum.operations + next.operations,
      errors: sum.errors + next.errors,
      timeouts: sum.timeouts + next.timeouts,
      apdexWeight: sum.apdexWeight + next.apdexWeight,
      apdexSuccess: sum.apdexSuccess + next.apdexSuccess,
    }),
    noFigures,
  );
}

/** Shares of the figures. Without traffic there is none. */
export interface Ratios {
  readonly apdexRatio: number | null;
  readonly errorRatio: number | null;
  readonly availability: number | null;
}

export function ratiosOf({ operations, errors, apdexWeight, apdexSuccess }: Figures): Ratios {
  return {
    apdexRatio: share(apdexSuccess, apdexWeight),
    errorRatio: share(errors, operations),
    availability: share(apdexSuccess + operations - errors, apdexWeight + operations),
  };
}

export interface Budgets {
  /** 1: untouched; 0: used up; negative: overspent; null: no traffic. */
  readonly error: number | null;
  readonly apdex: number | null;
}

/** Of the figures themselves: a rounded ratio would be off by as much as a fiftieth of a small budget. */
export function budgetsOf(
  { operations, errors, apdexWeight, apdexSuccess }: Figures,
  { apdexPct, errorPct }: Objective,
): Budgets {
  return {
    error: operations === 0 ? null : remaining(errors / operations, errorPct / 100),
    apdex: apdexWeight === 0 ? null : remaining((apdexWeight - apdexSuccess) / apdexWeight, 1 - apdexPct / 100),
  };
}

/** An objective that allows nothing is kept or missed, there is no part of it left. */
function remaining(spent: number, allowed: number): number {
  if (allowed <= 0) return spent > 0 ? -1 : 1;
  return round(1 - spent / allowed);
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : round(part / whole);
}

/** Values by their weights; those that are unknown or weigh nothing have no say. Null when none has. */
export function weightedMean(
  parts: readonly { readonly weight: number; readonly value: number | null }[],
): number | null {
  let weights = 0;
  let sum = 0;
  for (const { weight, value } of parts) {
    if (value === null) continue;
    weights += weight;
    sum += weight * value;
  }
  return weights === 0 ? null : round(sum / weights);
}

/** To five digits behind the point. */
export function round(value: number): number {
  return Math.round(value * 100_000) / 100_000;
}
