import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const analyticsErrors = defineErrors("Analytics", {
  ANALYTICS_UNAVAILABLE: {
    message: "The analytics engine cannot be reached or cannot take work now",
    retryable: true,
    status: 503,
    remedy:
      "Check that the ClickHouse server runs and that its address and credentials are right; work is kept meanwhile",
  },
  ANALYTICS_TIMEOUT: {
    message: "The analytics engine did not answer within the time allowed",
    retryable: true,
    status: 503,
    remedy: "Ask for a shorter time range, or repeat the request when the engine is less busy",
  },
  ANALYTICS_MEMORY_LIMIT: {
    message: "The query needs more memory than allowed",
    status: 422,
    remedy: "Ask for a shorter time range or fewer groups",
  },
  ANALYTICS_RESULT_TOO_LARGE: {
    message: "The query has more result rows than allowed",
    status: 422,
    remedy: "Ask for fewer rows or a shorter time range",
  },
  ANALYTICS_QUERY_FAILED: {
    message: "The analytics engine refused the query",
    status: 500,
    remedy: "This is a mistake in a query of the program; the cause names what the engine refused",
  },
  ANALYTICS_INSERT_REFUSED: {
    message: "The analytics engine refused rows because of their content",
    remedy: "A row does not fit its table; the cause names the column. Repeating the same rows fails again",
  },
  ANALYTICS_LOCKED: {
    message: "Another process holds the embedded analytics engine",
    remedy: "Stop the other process, give each process its own data directory, or use a ClickHouse server",
  },
  ANALYTICS_OPEN_FAILED: {
    message: "The embedded analytics engine cannot be opened",
    remedy:
      "Check that the server may write to the data directory and that no other container uses it; the engine printed its reason to standard error",
  },
  ANALYTICS_MAIN_THREAD_ONLY: {
    message: "The embedded analytics engine works on the main thread only",
    remedy: "Open it on the main thread; in a worker thread it would end the process",
  },
  ANALYTICS_SCHEMA_TOO_NEW: {
    message: "The analytics schema was made by a newer version of the program",
    remedy: "Run the newer version; going back needs a restored backup",
  },
  ANALYTICS_OVERLOADED: {
    message: "More work waits for the analytics engine than allowed",
    retryable: true,
    status: 503,
    remedy: "Ask or write more slowly; the analytics engine is slower than the work arrives",
  },
  ANALYTICS_CLOSED: {
    message: "The analytics connection is closed",
    status: 503,
    remedy: "The server is stopping; repeat the request after it is back",
  },
});

export type AnalyticsErrorCode = keyof typeof analyticsErrors.entries;

export class AnalyticsError extends SignalboxError {
  declare readonly code: AnalyticsErrorCode;

  constructor(code: AnalyticsErrorCode, options: ErrorOptions = {}) {
    super(code, analyticsErrors.entries[code], options);
  }
}
