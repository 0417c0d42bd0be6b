import type { Definition } from "@signalbox/experience";
import {
  type CategoryFigures,
  type ExperienceFigures,
  type RunFigures,
  withoutGaps,
} from "../../reports/experience-figures.js";
import { type Journey, journeyRatios } from "../../reports/journeys.js";
import type { ReportWindow } from "../../reports/window.js";
import { type Budgets, budgetsOf, type Figures, type Ratios, ratiosOf, round, weightedMean } from "../../sli.js";

/** What every row of a report is made with. */
export interface RowContext {
  readonly gapS: number;
  readonly chargeGaps: boolean;
}

/** A row that can be sorted. */
export interface Row {
  readonly error_budget_remaining: number | null;
  readonly apdex_budget_remaining: number | null;
}

export function experienceRow(
  figures: RunFigures,
  { id, featureCategory, urgency, thresholdMs, timeoutMs, slo }: Definition,
  context: RowContext,
) {
  return {
    covered_experience_id: id,
    feature_category: featureCategory,
    urgency,
    threshold_s: thresholdMs / 1000,
    timeout_s: timeoutMs / 1000,
    slo: { apdex_pct: slo.apdexPct, error_pct: slo.errorPct },
    ...rowOf(figures, context, (side) => ({ ratios: ratiosOf(side), budgets: budgetsOf(side, slo) })),
  };
}

/** What 99.95 % leaves: the objective that the lost minutes of a category stand beside. */
const allowedShare = 0.0005;

export function categoryRow(category: CategoryFigures, context: RowContext, { fromMs, toMs }: ReportWindow) {
  const minutes = (toMs - fromMs) / 60_000;
  const row = rowOf(category, context, (side, sideOf) => ({
    ratios: ratiosOf(side),
    budgets: budgetsByOperations(category.experiences, sideOf),
  }));
  return {
    feature_category: category.featureCategory,
    experiences: category.experiences.length,
    ...row,
    spent_minutes: row.availability === null ? null : round((1 - row.availability) * minutes),
    allowed_minutes: round(allowedShare * minutes),
  };
}

export function journeyRow(journey: Journey, context: RowContext) {
  return {
    journey: journey.name,
    experiences: journey.members.map(({ figures, weight }) => ({ id: figures.definition.id, weight })),
    ...rowOf(journey.sum, context, (_, sideOf) => journeyRatios(journey, sideOf)),
  };
}

/** With which of the two figures a row is made: all of them, or those outside of gaps. */
type SideOf = (figures: RunFigures) => Figures;

function rowOf(
  figures: RunFigures,
  { gapS, chargeGaps }: RowContext,
  judge: (side: Figures, sideOf: SideOf) => { readonly ratios: Ratios; readonly budgets: Budgets },
) {
  const sides = { with: (all: RunFigures): Figures => all, without: withoutGaps };
  const judged = {
    with: { figures: sides.with(figures), ...judge(sides.with(figures), sides.with) },
    without: { figures: sides.without(figures), ...judge(sides.without(figures), sides.without) },
  };
  const shown = chargeGaps ? judged.with : judged.without;
  return {
    ...figureBody({ ...figures, ...shown.figures }, shown.ratios),
    late_success: figures.lateSuccess,
    discards: figures.discards,
    availability: shown.ratios.availability,
    error_budget_remaining: shown.budgets.error,
    apdex_budget_remaining: shown.budgets.apdex,
    timeouts_in_gap: figures.inGap.timeouts,
    gap_s: gapS,
    complete: gapS === 0,
    with_gaps: sideBody(judged.with),
    without_gaps: sideBody(judged.without),
  };
}

function sideBody({
  figures,
  ratios,
  budgets,
}: {
  readonly figures: Figures;
  readonly ratios: Ratios;
  readonly budgets: Budgets;
}) {
  return {
    operations: figures.operations,
    errors: figures.errors,
    error_ratio: ratios.errorRatio,
    availability: ratios.availability,
    error_budget_remaining: budgets.error,
  };
}

/** An experience with ten times the runs has ten times the say. */
function budgetsByOperations(members: readonly ExperienceFigures[], sideOf: SideOf): Budgets {
  const parts = members.map((member) => {
    const side = sideOf(member);
    return { weight: side.operations, budgets: budgetsOf(side, member.definition.slo) };
  });
  return {
    error: weightedMean(parts.map(({ weight, budgets }) => ({ weight, value: budgets.error }))),
    apdex: weightedMean(parts.map(({ weight, budgets }) => ({ weight, value: budgets.apdex }))),
  };
}

export function figureBody(
  figures: Figures & { readonly p50S: number | null; readonly p95S: number | null; readonly p99S: number | null },
  { apdexRatio, errorRatio }: Ratios = ratiosOf(figures),
) {
  return {
    operations: figures.operations,
    errors: figures.errors,
    timeouts: figures.timeouts,
    apdex_weight: figures.apdexWeight,
    apdex_success: figures.apdexSuccess,
    apdex_ratio: apdexRatio,
    error_ratio: errorRatio,
    p50_s: figures.p50S,
    p95_s: figures.p95S,
    p99_s: figures.p99S,
  };
}

/** The smallest budget first, then by name. What has no traffic has spent nothing and comes last. */
export function smallestBudgetFirst<R extends Row>(rows: readonly R[], nameOf: (row: R) => string): R[] {
  const budget = ({ error_budget_remaining: error, apdex_budget_remaining: apdex }: Row): number =>
    Math.min(error ?? Number.POSITIVE_INFINITY, apdex ?? Number.POSITIVE_INFINITY);
  return [...rows].sort((left, right) => {
    const [a, b] = [budget(left), budget(right)];
    if (a !== b) return a < b ? -1 : 1;
    return nameOf(left) < nameOf(right) ? -1 : 1;
  });
}
