import type { Clock } from "@signalbox/kernel";
import type { Codec } from "./envelope.js";
import { EventStoreError } from "./errors.js";
import type { StoreMetrics } from "./metrics.js";
import type { DeadLetter, DeadLetterCursor, DeadLetterFilter, Records } from "./records/records.js";
import type { FrozenRegistry } from "./registry.js";
import type { Transport } from "./transports/transport.js";

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Where the next page begins; `null` after the last one. */
  readonly next: DeadLetterCursor | null;
}

/** What an operator can do with deliveries that were given up. */
export interface DeadLetters {
  /** Newest first. Default limit 20, at most 1,000. @throws {EventStoreError} `EVT_FILTER_INVALID`. */
  list(
    filter?: DeadLetterFilter,
    page?: { readonly limit?: number; readonly after?: DeadLetterCursor },
  ): Promise<DeadLetterPage>;
  get(id: string): Promise<DeadLetter | null>;
}

export interface DeadLetterDependencies {
  readonly registry: FrozenRegistry;
  readonly transport: Transport;
  readonly codec: Codec;
  readonly records: Records;
  readonly clock: Clock;
  readonly metrics: StoreMetrics;
  /** Resolves when the transport can be used. */
  readonly open: () => Promise<void>;
}

const filterKeys: readonly (keyof DeadLetterFilter)[] = [
  "ids",
  "subscription",
  "eventType",
  "reason",
  "state",
  "fingerprint",
  "correlationId",
  "sinceMs",
  "untilMs",
  "text",
];

export function createDeadLetters({ records, open }: DeadLetterDependencies): DeadLetters {
  return {
    async list(filter = {}, { limit = 20, after } = {}) {
      checkFilter(filter);
      if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) throw filterInvalid("limit");
      await open();
      const letters = await records.deadLetters.list(filter, limit + 1, after);
      const page = letters.slice(0, limit);
      const last = page.at(-1);
      const next = letters.length > limit && last ? { deadAtMs: last.deadAtMs, id: last.id } : null;
      return { letters: page, next };
    },
    async get(id) {
      await open();
      return records.deadLetters.get(id);
    },
  };
}

function checkFilter(filter: DeadLetterFilter): void {
  for (const key of Object.keys(filter)) {
    if (!filterKeys.some((known) => known === key)) throw filterInvalid(key);
  }
}

function filterInvalid(key: string): EventStoreError {
  return new EventStoreError("EVT_FILTER_INVALID", {
    message: `The filter has an unknown key or a bad value: ${key}`,
    details: { key },
  });
}
