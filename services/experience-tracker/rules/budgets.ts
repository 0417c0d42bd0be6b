import type { Definition } from "@signalbox/experience";
import type { RecordingRule } from "./rule.js";
import { definitionLabels, type SeriesNames } from "./series.js";
import { plainNumber, rounded } from "./text.js";

/** The share of runs that may fail, and of successful ones that may be slow. */
export interface Budgets {
  readonly error: number;
  readonly apdex: number;
}

export function budgetsOf({ slo }: Definition): Budgets {
  return { error: rounded(slo.errorPct / 100), apdex: rounded((100 - slo.apdexPct) / 100) };
}

/** Budgets as series, so that what is left of them can be asked for all experiences at once. */
export function budgetSeries(names: SeriesNames, definition: Definition): RecordingRule[] {
  const labels = definitionLabels(names, definition);
  const { error, apdex } = budgetsOf(definition);
  return [
    { record: names.recorded("error:budget"), expr: `vector(${plainNumber(error)})`, labels },
    { record: names.recorded("apdex:budget"), expr: `vector(${plainNumber(apdex)})`, labels },
  ];
}
