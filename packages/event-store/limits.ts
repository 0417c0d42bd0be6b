import { checkInteger, checkKeys, checkObject } from "./check-options.js";
import { EventStoreError } from "./errors.js";

/** Bounds and constants of a store; every one has a default. */
export interface Limits {
  /** Handler calls at once in one process. Default 64. */
  readonly slots: number;
  /** How long a delivery belongs to a process that gives no sign of life. Default 10,000. */
  readonly leaseMs: number;
  /** Crashes while running alone after which a delivery is given up. Default 3. */
  readonly maxCrashes: number;
  /** Larger encoded events go to the blob store. Default 262,144. */
  readonly maxInlineBytes: number;
  /** Larger encoded events are refused. Default 16,777,216. */
  readonly maxEventBytes: number;
  /** Publishes of this process that may wait at once. Default 10,000. */
  readonly maxPendingPublishes: number;
  /** Groups of one publish that are due at the same time. Default 100. */
  readonly groupBatchSize: number;
  /** Time between two such batches. Default 10,000. */
  readonly groupBatchGapMs: number;
  /** When the first batch is due, if there are several. Default 1,000. */
  readonly groupBaseDelayMs: number;
  /** How long `context.once` remembers. Default 604,800,000 (7 days). */
  readonly inboxRetentionMs: number;
  /** Dead letters expire after this many days. Default 30. */
  readonly deadRetentionDays: number;
  /** How often a dead letter is replayed without being forced. Default 3. */
  readonly maxReplays: number;
  /** How often the outbox is looked at when nobody announces anything. Default 500. */
  readonly outboxPollMs: number;
  /** How long a committed delivery may wait in the outbox before the process counts as not ready. Default 300,000. */
  readonly outboxMaxLagMs: number;
}

export const defaultLimits: Limits = Object.freeze({
  slots: 64,
  leaseMs: 10_000,
  maxCrashes: 3,
  maxInlineBytes: 262_144,
  maxEventBytes: 16_777_216,
  maxPendingPublishes: 10_000,
  groupBatchSize: 100,
  groupBatchGapMs: 10_000,
  groupBaseDelayMs: 1_000,
  inboxRetentionMs: 604_800_000,
  deadRetentionDays: 30,
  maxReplays: 3,
  outboxPollMs: 500,
  outboxMaxLagMs: 300_000,
});

const ranges: Readonly<Record<keyof Limits, readonly [min: number, max: number]>> = {
  slots: [1, 10_000],
  leaseMs: [100, 3_600_000],
  maxCrashes: [1, 100],
  maxInlineBytes: [1_024, 1_073_741_824],
  maxEventBytes: [1_024, 1_073_741_824],
  maxPendingPublishes: [1, 10_000_000],
  groupBatchSize: [1, 1_000_000],
  groupBatchGapMs: [1, 86_400_000],
  groupBaseDelayMs: [1, 86_400_000],
  inboxRetentionMs: [1_000, 31_536_000_000],
  deadRetentionDays: [1, 3_650],
  maxReplays: [1, 1_000],
  outboxPollMs: [10, 3_600_000],
  outboxMaxLagMs: [1_000, 86_400_000],
};

/** @throws {EventStoreError} `EVT_CONFIG_INVALID` naming key and range. */
export function readLimits(limits: Partial<Limits> = {}): Limits {
  const refuse = (option: string, message: string): never => {
    throw new EventStoreError("EVT_CONFIG_INVALID", { message, details: { option } });
  };
  checkObject(limits, "limits", refuse);
  checkKeys(limits, Object.keys(ranges), "limits.", refuse);
  const effective: Record<string, number> = { ...defaultLimits };
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined) continue;
    const [min, max] = ranges[name as keyof Limits];
    checkInteger(value, min, max, `limits.${name}`, refuse);
    effective[name] = value;
  }
  return Object.freeze({ ...defaultLimits, ...effective });
}
