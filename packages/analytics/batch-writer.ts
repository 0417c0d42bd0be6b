import type { StopOptions } from "@signalbox/kernel";

export interface BatchWriterStats {
  /** Rows accepted and not yet settled, those being inserted among them. */
  readonly pendingRows: number;
  readonly pendingBytes: number;
}

/**
 * Collects rows of many callers into inserts of a good size, one at a time for the table.
 * Nothing is lost or doubled by the writer: a write resolves only after an insert that holds all its rows was acknowledged.
 */
export interface BatchWriter {
  /**
   * Adds rows; all rows of one call go into one insert. Resolves after the insert that holds them. Inserts that fail with a retryable error are repeated
   * with the same deduplication token until they succeed or the writer stops.
   * Waits while the writer is full; rejects with `ANALYTICS_OVERLOADED` when it stays full, or when too many wait already.
   * @throws {AnalyticsError} `ANALYTICS_INSERT_REFUSED`: exactly the writes whose rows were in the refused insert reject.
   */
  write(rows: readonly object[]): Promise<void>;
  /** Inserts what is pending without waiting for more; resolves when all writes made before this call have settled. */
  flush(): Promise<void>;
  /** Refuses new writes, inserts what is pending until the deadline, and rejects the rest with `ANALYTICS_CLOSED`. */
  stop(options?: StopOptions): Promise<void>;
  stats(): BatchWriterStats;
}
