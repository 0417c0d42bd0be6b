import { isRetryable } from "@signalbox/kernel";
import Libsql from "libsql";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { DatabaseError } from "./errors.js";
import { postgresError } from "./postgres-errors.js";
import { sqliteError } from "./sqlite-errors.js";

describe("what PostgreSQL reports", () => {
  test.each([
    ["08006", "DATABASE_UNAVAILABLE"],
    ["22P02", "DATABASE_INVALID_VALUE"],
    ["23505", "DATABASE_CONSTRAINT"],
    ["25006", "DATABASE_READ_ONLY"],
    ["28P01", "DATABASE_ACCESS_DENIED"],
    ["3D000", "DATABASE_ACCESS_DENIED"],
    ["40001", "DATABASE_BUSY"],
    ["40P01", "DATABASE_BUSY"],
    ["42P01", "DATABASE_QUERY_FAILED"],
    ["53100", "DATABASE_FULL"],
    ["53300", "DATABASE_UNAVAILABLE"],
    ["55P03", "DATABASE_BUSY"],
    ["57014", "DATABASE_TIMEOUT"],
    ["57P01", "DATABASE_UNAVAILABLE"],
    ["XX001", "DATABASE_CORRUPT"],
  ])("%s becomes %s", (state, code) => {
    const error = new pg.DatabaseError("as the server says", 0, "error");
    error.code = state;
    error.severity = "ERROR";
    expect(postgresError(error)).toMatchObject({ code, cause: error });
  });

  test("the values of a broken constraint do not reach the message", () => {
    const error = new pg.DatabaseError('duplicate key value violates unique constraint "users_pkey"', 0, "error");
    Object.assign(error, { code: "23505", severity: "ERROR", constraint: "users_pkey", table: "users" });
    error.detail = "Key (email)=(a@example.org) already exists.";
    const mapped = postgresError(error);
    expect(mapped.details).toEqual({ kind: "unique", constraint: "users_pkey", table: "users" });
    expect(mapped.message).not.toContain("example.org");
  });

  test("everything that went wrong on the way is unavailable", () => {
    const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:5432"), { code: "ECONNREFUSED" });
    for (const error of [refused, new Error("Connection terminated unexpectedly"), new AggregateError([refused])]) {
      expect(postgresError(error)).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
    }
  });
});

describe("what SQLite reports", () => {
  test.each([
    [5, "DATABASE_BUSY"],
    [261, "DATABASE_BUSY"],
    [6, "DATABASE_BUSY"],
    [8, "DATABASE_READ_ONLY"],
    [10, "DATABASE_UNAVAILABLE"],
    [778, "DATABASE_UNAVAILABLE"],
    [4874, "DATABASE_FULL"],
    [11, "DATABASE_CORRUPT"],
    [13, "DATABASE_FULL"],
    [14, "DATABASE_ACCESS_DENIED"],
    [18, "DATABASE_INVALID_VALUE"],
    [2067, "DATABASE_CONSTRAINT"],
    [26, "DATABASE_CORRUPT"],
    [1, "DATABASE_QUERY_FAILED"],
  ])("result %d becomes %s", (result, code) => {
    const error = new Libsql.SqliteError("as the engine says", "SQLITE", result);
    expect(sqliteError(error)).toMatchObject({ code, cause: error });
  });

  test("a broken constraint names its columns", () => {
    const error = new Libsql.SqliteError("UNIQUE constraint failed: users.name", "SQLITE_CONSTRAINT_UNIQUE", 2067);
    expect(sqliteError(error).details).toEqual({ kind: "unique", constraint: "users.name" });
  });
});

test("only what may pass by itself is worth repeating", () => {
  const retryable = ["DATABASE_UNAVAILABLE", "DATABASE_BUSY", "DATABASE_TIMEOUT", "DATABASE_FULL"] as const;
  for (const code of retryable) expect(isRetryable(new DatabaseError(code))).toBe(true);
  for (const code of ["DATABASE_CONSTRAINT", "DATABASE_CLOSED", "DATABASE_CORRUPT"] as const)
    expect(isRetryable(new DatabaseError(code))).toBe(false);
});
