import { errorMessage } from "@signalbox/kernel";
import { AnalyticsError, type AnalyticsErrorCode } from "./errors.js";

export type CallKind = "query" | "insert" | "command" | "ping";

/**
 * Codes with which the engine says that it cannot do this now, whatever the statement: resources, connections to other
 * servers, shutting down, read-only, credentials. `src/Common/ErrorCodes.cpp` of ClickHouse lists them.
 */
const engineStateCodes = new Set([
  74, // CANNOT_READ_FROM_FILE_DESCRIPTOR
  75, // CANNOT_WRITE_TO_FILE_DESCRIPTOR
  76, // CANNOT_OPEN_FILE
  81, // UNKNOWN_DATABASE: not made yet, or lost
  164, // READONLY
  192, // UNKNOWN_USER
  193, // WRONG_PASSWORD
  194, // REQUIRED_PASSWORD
  195, // IP_ADDRESS_NOT_ALLOWED
  198, // DNS_ERROR
  201, // QUOTA_EXCEEDED
  202, // TOO_MANY_SIMULTANEOUS_QUERIES
  203, // NO_FREE_CONNECTION
  209, // SOCKET_TIMEOUT
  210, // NETWORK_ERROR
  225, // NO_ZOOKEEPER
  236, // ABORTED
  242, // TABLE_IS_READ_ONLY
  243, // NOT_ENOUGH_SPACE
  279, // ALL_CONNECTION_TRIES_FAILED
  285, // TOO_FEW_LIVE_REPLICAS
  286, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
  319, // UNKNOWN_STATUS_OF_INSERT
  394, // QUERY_WAS_CANCELLED
  439, // CANNOT_SCHEDULE_TASK
  473, // DEADLOCK_AVOIDED
  497, // ACCESS_DENIED
  516, // AUTHENTICATION_FAILED
  667, // NOT_INITIALIZED
  745, // SERVER_OVERLOADED
  999, // KEEPER_EXCEPTION
  1000, // POCO_EXCEPTION: sockets and files
]);

const timeoutCodes = new Set([
  159, // TIMEOUT_EXCEEDED
  160, // TOO_SLOW
]);

const resultLimitCodes = new Set([
  158, // TOO_MANY_ROWS
  307, // TOO_MANY_BYTES
  396, // TOO_MANY_ROWS_OR_BYTES
]);

/** For inserts also these are no fault of the rows: the table is missing, or has a backlog of merges. */
const tableStateCodes = new Set([
  60, // UNKNOWN_TABLE
  218, // TABLE_IS_DROPPED
  252, // TOO_MANY_PARTS
]);

const memoryLimitExceeded = 241;
const tooManyParts = 252;

/** What the port says for an error of the client library or of the embedded engine. */
export function translateError(cause: unknown, kind: CallKind): AnalyticsError {
  if (cause instanceof AnalyticsError) return cause;
  const engineCode = engineErrorCode(cause);
  const code = engineCode === undefined ? codeWithoutAnswer(cause) : codeFor(engineCode, errorMessage(cause), kind);
  return new AnalyticsError(code, { cause, details: { engine_code: engineCode, call: kind } });
}

/** The engine did not answer: refused, reset, cut off, not resolved. A type error is our own and would come again. */
function codeWithoutAnswer(cause: unknown): AnalyticsErrorCode {
  return cause instanceof TypeError ? "ANALYTICS_QUERY_FAILED" : "ANALYTICS_UNAVAILABLE";
}

function codeFor(engineCode: number, message: string, kind: CallKind): AnalyticsErrorCode {
  if (timeoutCodes.has(engineCode)) return "ANALYTICS_TIMEOUT";
  if (engineStateCodes.has(engineCode)) return "ANALYTICS_UNAVAILABLE";
  if (engineCode === memoryLimitExceeded) return memoryCode(message, kind);
  if (kind === "insert") return insertCode(engineCode, message);
  if (resultLimitCodes.has(engineCode)) return "ANALYTICS_RESULT_TOO_LARGE";
  return "ANALYTICS_QUERY_FAILED";
}

/** Only the query's own limit is the query's fault; the server's and the user's are a matter of waiting. */
function memoryCode(message: string, kind: CallKind): AnalyticsErrorCode {
  const ownLimit = /Query memory limit|\(for query\)/.test(message);
  return ownLimit && kind !== "insert" ? "ANALYTICS_MEMORY_LIMIT" : "ANALYTICS_UNAVAILABLE";
}

function insertCode(engineCode: number, message: string): AnalyticsErrorCode {
  // The same code also says that these rows fall into too many partitions, which fewer rows would not.
  if (engineCode === tooManyParts && message.includes("single INSERT")) return "ANALYTICS_INSERT_REFUSED";
  return tableStateCodes.has(engineCode) ? "ANALYTICS_UNAVAILABLE" : "ANALYTICS_INSERT_REFUSED";
}

function engineErrorCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  // The HTTP client gives `code: "62"`, the embedded engine `clickhouseCode: 62`.
  if ("clickhouseCode" in error && typeof error.clickhouseCode === "number") return error.clickhouseCode;
  if ("code" in error && typeof error.code === "string" && /^\d+$/.test(error.code)) return Number(error.code);
  return undefined;
}
