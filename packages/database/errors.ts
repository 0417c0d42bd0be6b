import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const databaseErrors = defineErrors("Database", {
  DATABASE_UNAVAILABLE: {
    message: "The database does not answer.",
    retryable: true,
    status: 503,
    remedy: "Check that the database server runs and is reachable; work goes on by itself once it answers.",
  },
  DATABASE_BUSY: {
    message: "The database is occupied by other work.",
    retryable: true,
    status: 503,
    remedy: "Repeat the call. When it happens often, look for long transactions or another process on the same file.",
  },
  DATABASE_TIMEOUT: {
    message: "The statement or transaction took longer than it may and was rolled back.",
    retryable: true,
    status: 503,
    remedy:
      "Repeat the call. When it happens often, look for a missing index or a transaction that waits for something else.",
  },
  DATABASE_FULL: {
    message: "The disk of the database is full; nothing was written.",
    retryable: true,
    status: 503,
    remedy: "Free disk space; nothing acknowledged is lost and writes go on once there is room.",
  },
  DATABASE_CONSTRAINT: {
    message: "The write breaks a constraint of the schema.",
    remedy: "`details.kind` says which kind: unique, foreign_key, not_null, check or other.",
  },
  DATABASE_CLOSED: {
    message: "The database was closed.",
    remedy: "The process is stopping; repeat the call against a running one.",
  },
  DATABASE_CORRUPT: {
    message: "The database reports damaged data.",
    remedy: "Stop the server, keep a copy of the files and restore a backup.",
  },
  DATABASE_READ_ONLY: {
    message: "A write was sent to a connection that only reads.",
    remedy: "Use `as()` or a transaction for writes; check that the database file is writable.",
  },
  DATABASE_ACCESS_DENIED: {
    message: "The database refused the login or does not exist.",
    remedy: "Check user, password, database name and file permissions.",
  },
  DATABASE_INVALID_VALUE: {
    message: "A value cannot be stored.",
    remedy:
      "Pass strings without NUL, finite numbers, safe integers, bytes, booleans or null, one for each placeholder.",
  },
  DATABASE_QUERY_FAILED: {
    message: "The database refused the statement.",
    remedy: "This is a defect of the program or of its schema; report it with the cause.",
  },
  DATABASE_NESTED_TRANSACTION: {
    message: "A transaction was asked for inside another one of the same database.",
    remedy: "Pass the transaction that is open to the code that needs one.",
  },
  DATABASE_WRONG_HANDLE: {
    message: "A statement was sent beside the transaction that is open around it.",
    remedy: "Use the transaction's own handle inside `transaction` and `commitTogether`.",
  },
  DATABASE_TRANSACTION_ENDED: {
    message: "A statement was sent to a transaction that has ended.",
    remedy: "Await every statement inside the transaction's callback.",
  },
  DATABASE_TRANSACTION_FAILED: {
    message: "An earlier statement of this transaction failed, so it can only be rolled back.",
    remedy: "Let the first error out of the callback, or avoid it with `on conflict`.",
  },
  DATABASE_UNSUPPORTED: {
    message: "The database port does not offer this.",
    remedy: "Use `Database.transaction` instead of Kysely's own, and pages of keys instead of streams.",
  },
  DATABASE_SERVER_TOO_OLD: {
    message: "The database server is older than the oldest supported version.",
    remedy: "Upgrade to PostgreSQL 13 or newer.",
  },
  DATABASE_SCHEMA_NEWER: {
    message: "The database was migrated by a newer program than this one.",
    remedy: "Start the newer program again, or restore a backup made before its migration.",
  },
  DATABASE_SCHEMA_DIVERGED: {
    message: "The migrations applied to the database are not the first ones of this program.",
    remedy: "The database belongs to another line of the program; use the program that migrated it.",
  },
  DATABASE_MIGRATION_FAILED: {
    message: "A migration failed and was rolled back.",
    remedy: "The schema is as before this migration; see the cause, then start again.",
  },
});

export type DatabaseErrorCode = keyof typeof databaseErrors.entries;
export type ConstraintKind = "unique" | "foreign_key" | "not_null" | "check" | "other";

export class DatabaseError extends SignalboxError {
  declare readonly code: DatabaseErrorCode;

  constructor(code: DatabaseErrorCode, options?: ErrorOptions) {
    super(code, databaseErrors.entries[code], options);
  }
}
