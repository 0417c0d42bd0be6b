import type { RecordingRule, RuleGroup } from "./rule.js";
import { type SeriesNames, withoutCanary } from "./series.js";
import { directIntervalS, directWindows, meanWindows, type Window } from "./windows.js";

/** Rates and ratios of all experiences over every window. */
export function recordingGroups(names: SeriesNames): RuleGroup[] {
  return [
    ...directWindows.map((window) => ({
      name: `signalbox-experiences-sli-${window.name}`,
      interval: `${directIntervalS}s`,
      rules: [...ratesFromCounters(names, window), ...ratios(names, window)],
    })),
    ...meanWindows.map((window) => ({
      name: `signalbox-experiences-sli-${window.name}`,
      interval: "2m",
      rules: [
        ...ratesFromRates(names, window),
        ...ratios(names, window),
        ...(window.name === discardsWindow ? [discardsIncrease(names)] : []),
      ],
    })),
  ];
}

function ratesFromCounters(names: SeriesNames, { name: window }: Window): RecordingRule[] {
  const { idLabel, total, apdex, recorded } = names;
  const rate = (counter: string, ...matchers: string[]): string =>
    `sum by (${idLabel}, feature_category, urgency) (rate(${counter}{${[withoutCanary(idLabel), ...matchers].join(",")}}[${window}]))`;
  const [ops, weight] = [recorded(`ops:rate_${window}`), recorded(`apdex:weight:score_${window}`)];
  return [
    { record: ops, expr: rate(total) },
    { record: recorded(`error:rate_${window}`), expr: orNone(rate(total, 'error="true"'), ops) },
    { record: weight, expr: rate(apdex) },
    { record: recorded(`apdex:success:rate_${window}`), expr: orNone(rate(apdex, 'success="true"'), weight) },
  ];
}

function ratesFromRates({ recorded }: SeriesNames, { name: window, seconds }: Window): RecordingRule[] {
  const mean = (name: string): string => `avg_over_time(${recorded(`${name}_5m`)}[${window}])`;
  const [ops, weight] = [recorded(`ops:rate_${window}`), recorded(`apdex:weight:score_${window}`)];
  return [
    { record: ops, expr: mean("ops:rate") },
    { record: recorded(`error:rate_${window}`), expr: orNone(mean("error:rate"), ops) },
    { record: weight, expr: mean("apdex:weight:score") },
    { record: recorded(`apdex:success:rate_${window}`), expr: orNone(mean("apdex:success:rate"), weight) },
    {
      // The mean of an hour is no rate of a day: who wants to know how many there were multiplies by this.
      record: recorded(`observed:seconds_${window}`),
      expr: `clamp_max(count_over_time(${recorded("ops:rate_5m")}[${window}]) * ${directIntervalS}, ${seconds})`,
    },
  ];
}

/** No traffic, no sample: a ratio of nothing is neither good nor bad. */
function ratios({ recorded }: SeriesNames, { name: window }: Window): RecordingRule[] {
  const ratio = (part: string, whole: string): string =>
    `${recorded(`${part}_${window}`)} / (${recorded(`${whole}_${window}`)} > 0)`;
  return [
    { record: recorded(`error:ratio_${window}`), expr: ratio("error:rate", "ops:rate") },
    { record: recorded(`apdex:ratio_${window}`), expr: ratio("apdex:success:rate", "apdex:weight:score") },
  ];
}

/** What did not happen yet has no series of its own. */
function orNone(rate: string, denominator: string): string {
  return `${rate}\nor\n0 * ${denominator}`;
}

/** The window over which discards are compared with operations. */
export const discardsWindow = "1d";

/** Discards know neither category nor urgency, and their label does not follow the prefix. */
function discardsIncrease({ recorded }: SeriesNames): RecordingRule {
  return {
    record: recorded(`discards:increase_${discardsWindow}`),
    expr: `sum by (covered_experience_id) (increase(signalbox_experience_discards_total{${withoutCanary("covered_experience_id")}}[${discardsWindow}]))`,
  };
}
