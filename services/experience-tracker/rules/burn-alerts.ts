import type { Definition } from "@signalbox/experience";
import { budgetsOf } from "./budgets.js";
import { experienceLinks } from "./links.js";
import type { AlertingRule } from "./rule.js";
import { definitionLabels, type SeriesNames, selectorOf } from "./series.js";
import type { RuleSettings } from "./settings.js";
import { joined, plainNumber, rounded, sentence } from "./text.js";
import {
  type BurnLevel,
  type BurnRate,
  budgetDays,
  burnLevels,
  directWindows,
  possibleBurnRates,
  thresholdOf,
  type Window,
} from "./windows.js";

export interface BurnAlerts {
  readonly rules: readonly AlertingRule[];
  /** A line for each pair of windows that no share of failures could ever raise. */
  readonly leftOut: readonly string[];
}

/** What a budget is spent on, as queries over one definition and a window. */
interface Spending {
  readonly alert: string;
  readonly budget: number;
  /** Of what all there is, how much spends the budget. */
  badRatio(window: string): string;
  /** How many there are each second. */
  events(window: string): string;
  failures(window: string): string;
  readonly failuresText: string;
  readonly runs: "failed" | "finished";
}

/** Alerts on budgets that are spent too fast: a page when it is urgent, a ticket when it adds up. */
export function burnAlerts(names: SeriesNames, definition: Definition, settings: RuleSettings): BurnAlerts {
  const rules: AlertingRule[] = [];
  const leftOut: string[] = [];
  for (const spending of [errorSpending(names, definition), apdexSpending(names, definition)])
    for (const level of burnLevels) {
      const alert = `${spending.alert}${level.severity === "page" ? "Page" : "Ticket"}`;
      const possible = possibleBurnRates(level, spending.budget);
      const impossible = level.burnRates.filter((burnRate) => !possible.includes(burnRate));
      for (const { factor, long, short } of impossible)
        leftOut.push(
          `${alert} of ${definition.id} leaves out ${long.name} and ${short.name}: ${factor} × ${plainNumber(spending.budget)} is more than all runs.`,
        );
      if (possible.length > 0)
        rules.push(burnAlert(alert, names, definition, settings, { ...level, burnRates: possible }, spending));
    }
  return { rules, leftOut };
}

function burnAlert(
  alert: string,
  names: SeriesNames,
  definition: Definition,
  { publicUrl }: RuleSettings,
  level: BurnLevel,
  spending: Spending,
): AlertingRule {
  const { id, description } = definition;
  const pairs = level.burnRates.map(
    ({ factor, long, short }) => `${factor} times as fast over ${long.name} and ${short.name}`,
  );
  return {
    alert,
    expr: level.burnRates.map((burnRate) => branch(burnRate, names, definition, spending)).join("\nor\n"),
    for: level.for,
    labels: { ...definitionLabels(names, definition), severity: level.severity },
    annotations: {
      summary: `{{ $value | humanizePercentage }} of the runs of ${id} ${spending.failuresText}, ${plainNumber(rounded(spending.budget * 100))}% may`,
      description: `${sentence(description)} The budget of ${budgetDays} days is spent more than ${joined(pairs, "or")}.`,
      long_window: joined(
        level.burnRates.map(({ long }) => long.name),
        "or",
      ),
      short_window: joined(
        level.burnRates.map(({ short }) => short.name),
        "or",
      ),
      ...experienceLinks(publicUrl, id, spending.runs),
    },
  };
}

/** Both windows spend too fast, and what happened within the long one is enough to say so. */
function branch(burnRate: BurnRate, names: SeriesNames, definition: Definition, spending: Spending): string {
  const { long, short } = burnRate;
  const threshold = plainNumber(thresholdOf(burnRate, spending.budget));
  const seconds = observedSeconds(long, names, selectorOf(names, definition));
  return [
    "(",
    `  ${spending.badRatio(long.name)} > ${threshold}`,
    `  and ${spending.badRatio(short.name)} > ${threshold}`,
    `  and ${spending.events(long.name)} * ${seconds} > ${definition.alerts.minEvents - 0.5}`,
    `  and ${spending.failures(long.name)} * ${seconds} > ${definition.alerts.minFailures - 0.5}`,
    ")",
  ].join("\n");
}

/** A mean of rates speaks for the time in which there were rates, and not for a whole day. */
function observedSeconds({ name, seconds }: Window, { recorded }: SeriesNames, selector: string): string {
  const isDirect = directWindows.some((window) => window.name === name);
  return isDirect ? String(seconds) : `${recorded(`observed:seconds_${name}`)}${selector}`;
}

function errorSpending(names: SeriesNames, definition: Definition): Spending {
  const series = (name: string): string => `${names.recorded(name)}${selectorOf(names, definition)}`;
  return {
    alert: "CoveredExperienceErrorBudgetBurn",
    budget: budgetsOf(definition).error,
    badRatio: (window) => series(`error:ratio_${window}`),
    events: (window) => series(`ops:rate_${window}`),
    failures: (window) => series(`error:rate_${window}`),
    failuresText: "fail",
    runs: "failed",
  };
}

function apdexSpending(names: SeriesNames, definition: Definition): Spending {
  const series = (name: string): string => `${names.recorded(name)}${selectorOf(names, definition)}`;
  return {
    alert: "CoveredExperienceApdexBudgetBurn",
    budget: budgetsOf(definition).apdex,
    badRatio: (window) => `(1 - ${series(`apdex:ratio_${window}`)})`,
    events: (window) => series(`apdex:weight:score_${window}`),
    failures: (window) => `(${series(`apdex:weight:score_${window}`)} - ${series(`apdex:success:rate_${window}`)})`,
    failuresText: `take longer than ${plainNumber(definition.thresholdMs / 1000)} s`,
    runs: "finished",
  };
}
