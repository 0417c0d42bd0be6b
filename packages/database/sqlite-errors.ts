import { errorMessage } from "@signalbox/kernel";
import { type ConstraintKind, DatabaseError, type DatabaseErrorCode, databaseErrors } from "./errors.js";

/** Primary result codes: https://www.sqlite.org/rescode.html */
const codeOfResult: Readonly<Record<number, DatabaseErrorCode>> = {
  3: "DATABASE_ACCESS_DENIED",
  5: "DATABASE_BUSY",
  6: "DATABASE_BUSY",
  7: "DATABASE_UNAVAILABLE",
  8: "DATABASE_READ_ONLY",
  9: "DATABASE_TIMEOUT",
  10: "DATABASE_UNAVAILABLE",
  11: "DATABASE_CORRUPT",
  13: "DATABASE_FULL",
  14: "DATABASE_ACCESS_DENIED",
  18: "DATABASE_INVALID_VALUE",
  19: "DATABASE_CONSTRAINT",
  20: "DATABASE_INVALID_VALUE",
  23: "DATABASE_ACCESS_DENIED",
  26: "DATABASE_CORRUPT",
};

/** SQLITE_IOERR_SHMSIZE: the index of the write-ahead log cannot grow, which is how a full disk shows there. */
const sharedMemorySize = 4874;

/** The catalogue speaks of servers and their logins. */
const fileRefused = "The file of the database cannot be opened or made.";

const kindOfConstraint: Readonly<Record<number, ConstraintKind>> = {
  275: "check",
  787: "foreign_key",
  1299: "not_null",
  1555: "unique",
  2067: "unique",
  2579: "unique",
};

/** The port's error for anything the driver throws. */
export function sqliteError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const result = resultCode(error);
  const code = result === sharedMemorySize ? "DATABASE_FULL" : (codeOfResult[result & 0xff] ?? "DATABASE_QUERY_FAILED");
  return new DatabaseError(code, {
    cause: error,
    message: `${code === "DATABASE_ACCESS_DENIED" ? fileRefused : databaseErrors.entries[code].message} (${errorMessage(error)})`,
    details: code === "DATABASE_CONSTRAINT" ? constraintDetails(error, result) : {},
  });
}

/** A connection that cannot be opened has its result code only in the driver's message. */
const failedToOpen = /^ConnectionFailed\(.*: (\d+)"\)$/s;

function resultCode(error: unknown): number {
  if (error instanceof Error && "rawCode" in error && typeof error.rawCode === "number") return error.rawCode;
  return Number(failedToOpen.exec(errorMessage(error))?.[1] ?? 1);
}

/** The driver's message ends with the columns or the expression at fault: `UNIQUE constraint failed: users.name`. */
function constraintDetails(error: unknown, result: number): Readonly<Record<string, unknown>> {
  const [, constraint] = /constraint failed: (.+)$/.exec(errorMessage(error)) ?? [];
  return { kind: kindOfConstraint[result] ?? "other", ...(constraint === undefined ? {} : { constraint }) };
}
