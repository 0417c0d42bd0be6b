import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { createDigest, type Digest, type DigestDependencies } from "../digest/digest.js";
import type { QueueState } from "../digest/pending-events.js";
import type { TestAnalytics, TestDatabase } from "./stores.js";

export interface TestDigest {
  readonly digest: Digest;
  /** Types of the events that were published, and in which transaction they would have been. */
  readonly published: { readonly type: string; readonly correlationId: string; readonly data: unknown }[];
  readonly outcomes: string[];
  /** Of a transport in which nothing waits. */
  readonly queue: QueueState;
}

/** A digest on real stores. What it publishes is only noted. */
export function createTestDigest(
  { database }: Pick<TestDatabase, "database">,
  { analytics }: Pick<TestAnalytics, "analytics">,
  changes: Partial<DigestDependencies> = {},
): TestDigest {
  const published: { type: string; correlationId: string; data: unknown }[] = [];
  const outcomes: string[] = [];
  const digest = createDigest({
    database,
    analytics,
    publisher: () => ({
      publish: async ({ type, correlationId, data }) => void published.push({ type, correlationId, data }),
    }),
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
    retentionDays: 90,
    dedupDays: 7,
    keepPerHour: 10_000,
    groupingVersion: 1,
    onOutcome: (outcome) => outcomes.push(outcome),
    ...changes,
  });
  return { digest, published, outcomes, queue: emptyQueue };
}

export const emptyQueue: QueueState = {
  queues: { get: async () => null, countUnsettled: async () => 0 },
  dead: { tally: async () => [] },
};

/** The context of a call that is never cut off. */
export const uninterrupted: Parameters<Digest["handle"]>[1] = {
  signal: new AbortController().signal,
  forEvent: <T>(_event: unknown, work: () => Promise<T>): Promise<T> => work(),
};
