import type { SubscriptionStatistics } from "./statistics.js";

/** How much of what a subscription is asked about, and of what it is given, it has no use for. */
export interface Noise {
  /** Of all publishes; `null` when there were none. */
  readonly conditionFalseShare: number | null;
  readonly meanConditionUs: number;
  readonly runs: number;
  /** Of all runs; `null` when there were none. */
  readonly ignoredShare: number | null;
  readonly advice: "add a condition" | "too expensive" | null;
}

const fewestRuns = 1_000;
const noisyShare = 0.9;
const expensiveUs = 1_000;

export function judgeNoise(statistics: SubscriptionStatistics, hasCondition: boolean): Noise {
  const { published, conditionFalse, meanConditionUs, runs, ignored } = statistics;
  const ignoredShare = runs === 0 ? null : ignored / runs;
  const isNoisy = !hasCondition && runs >= fewestRuns && ignoredShare !== null && ignoredShare > noisyShare;
  return {
    conditionFalseShare: published === 0 ? null : conditionFalse / published,
    meanConditionUs,
    runs,
    ignoredShare,
    advice: isNoisy ? "add a condition" : meanConditionUs > expensiveUs ? "too expensive" : null,
  };
}
