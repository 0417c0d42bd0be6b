import { rounded } from "./text.js";

/** A time over which rates are recorded. */
export interface Window {
  readonly name: string;
  readonly seconds: number;
}

/** Rates over these come from the counters themselves. */
export const directWindows = [
  { name: "5m", seconds: 300 },
  { name: "30m", seconds: 1_800 },
  { name: "1h", seconds: 3_600 },
  { name: "2h", seconds: 7_200 },
  { name: "6h", seconds: 21_600 },
] as const satisfies readonly Window[];

/** Rates over these are means of the recorded 5m rates: counters of three days are too much to read every minute. */
export const meanWindows = [
  { name: "1d", seconds: 86_400 },
  { name: "3d", seconds: 259_200 },
] as const satisfies readonly Window[];

/** How often rates from counters are recorded, and with that how much time one of them stands for. */
export const directIntervalS = 30;

/** The time in which a budget may be spent. */
export const budgetDays = 28;

export interface BurnRate {
  /** The budget is spent this many times as fast as it may be. */
  readonly factor: number;
  readonly long: Window;
  readonly short: Window;
}

export interface BurnLevel {
  readonly severity: "page" | "ticket";
  readonly for: string;
  readonly burnRates: readonly BurnRate[];
}

const [fiveMinutes, halfHour, hour, twoHours, sixHours] = directWindows;
const [day, threeDays] = meanWindows;

/** The share of bad ones beyond which a budget is spent that fast. */
export function thresholdOf({ factor }: BurnRate, budget: number): number {
  return rounded(factor * budget);
}

/** Those that some share of bad ones exceeds. */
export function possibleBurnRates({ burnRates }: BurnLevel, budget: number): readonly BurnRate[] {
  return burnRates.filter((burnRate) => thresholdOf(burnRate, budget) < 1);
}

/** 2 % of the budget in an hour, 5 % in six, 10 % in a day or in three: the long window says so, the short one that it goes on. */
export const burnLevels: readonly BurnLevel[] = [
  {
    severity: "page",
    for: "2m",
    burnRates: [
      { factor: 13.44, long: hour, short: fiveMinutes },
      { factor: 5.6, long: sixHours, short: halfHour },
    ],
  },
  {
    severity: "ticket",
    for: "15m",
    burnRates: [
      { factor: 2.8, long: day, short: twoHours },
      { factor: 0.9333, long: threeDays, short: sixHours },
    ],
  },
];
