import { errorCode, errorMessage } from "@signalbox/kernel";
import { type ConstraintKind, DatabaseError, type DatabaseErrorCode, databaseErrors } from "./errors.js";

/** SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const codeOfState: Readonly<Record<string, DatabaseErrorCode>> = {
  "25006": "DATABASE_READ_ONLY",
  "25P02": "DATABASE_TRANSACTION_FAILED",
  "25P03": "DATABASE_TIMEOUT",
  "26000": "DATABASE_UNAVAILABLE",
  "3D000": "DATABASE_ACCESS_DENIED",
  "40001": "DATABASE_BUSY",
  "40P01": "DATABASE_BUSY",
  "42501": "DATABASE_ACCESS_DENIED",
  "53100": "DATABASE_FULL",
  "55P03": "DATABASE_BUSY",
  "57014": "DATABASE_TIMEOUT",
  XX001: "DATABASE_CORRUPT",
  XX002: "DATABASE_CORRUPT",
};

/** By the class, which is the first two characters. */
const codeOfClass: Readonly<Record<string, DatabaseErrorCode>> = {
  "08": "DATABASE_UNAVAILABLE",
  "22": "DATABASE_INVALID_VALUE",
  "23": "DATABASE_CONSTRAINT",
  "28": "DATABASE_ACCESS_DENIED",
  "53": "DATABASE_UNAVAILABLE",
  "57": "DATABASE_UNAVAILABLE",
  "58": "DATABASE_UNAVAILABLE",
};

const kindOfConstraint: Readonly<Record<string, ConstraintKind>> = {
  "23502": "not_null",
  "23503": "foreign_key",
  "23505": "unique",
  "23514": "check",
};

/** The port's error for anything the driver throws. */
export function postgresError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const code = codeOf(error);
  return new DatabaseError(code, {
    cause: error,
    // The server's message about a refused value quotes it; the cause has it for whoever looks.
    message:
      code === "DATABASE_INVALID_VALUE"
        ? databaseErrors.entries[code].message
        : `${databaseErrors.entries[code].message} (${errorMessage(error)})`,
    details: code === "DATABASE_CONSTRAINT" ? constraintDetails(error) : {},
  });
}

/** Whether the connection is of no more use: it broke, or the server forgot the statements prepared on it. */
export function isBroken(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === "DATABASE_UNAVAILABLE";
}

function codeOf(error: unknown): DatabaseErrorCode {
  const state = sqlState(error);
  if (state === undefined) return codeOfClientError(error);
  // A statement was prepared before a migration changed what it yields.
  if (state === "0A000" && errorMessage(error).includes("cached plan")) return "DATABASE_UNAVAILABLE";
  return codeOfState[state] ?? codeOfClass[state.slice(0, 2)] ?? "DATABASE_QUERY_FAILED";
}

/** Errors of the driver itself are about the connection, unless it was called wrongly. */
function codeOfClientError(error: unknown): DatabaseErrorCode {
  if (error instanceof TypeError || error instanceof RangeError) return "DATABASE_QUERY_FAILED";
  return errorMessage(error).startsWith("SASL") ? "DATABASE_ACCESS_DENIED" : "DATABASE_UNAVAILABLE";
}

/** Only what the server reports has a severity; system errors have a code as well. */
function sqlState(error: unknown): string | undefined {
  return error instanceof Error && "severity" in error ? errorCode(error) : undefined;
}

function constraintDetails(error: unknown): Readonly<Record<string, unknown>> {
  const details: Record<string, unknown> = { kind: kindOfConstraint[sqlState(error) ?? ""] ?? "other" };
  for (const name of ["constraint", "table", "column"] as const) {
    if (error instanceof Error && name in error) {
      const value: unknown = Reflect.get(error, name);
      if (typeof value === "string") details[name] = value;
    }
  }
  return details;
}
