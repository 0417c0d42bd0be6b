import { describe, expect, test } from "vitest";
import { AnalyticsError } from "./errors.js";
import { type CallKind, translateError } from "./translate-error.js";

/** As the HTTP client throws it. */
const overHttp = (code: number, message = ""): Error => Object.assign(new Error(message), { code: String(code) });
/** As the embedded engine throws it. */
const embedded = (code: number, message = ""): Error =>
  Object.assign(new Error(`Code: ${code}. DB::Exception: ${message}`), { code: "CHDB_QUERY", clickhouseCode: code });

describe("an error of the engine becomes an error of the port", () => {
  test.each<[string, CallKind, number, string, string, boolean]>([
    ["a syntax error", "query", 62, "", "ANALYTICS_QUERY_FAILED", false],
    ["an unknown table in a query", "query", 60, "", "ANALYTICS_QUERY_FAILED", false],
    ["an unknown table in an insert", "insert", 60, "", "ANALYTICS_UNAVAILABLE", true],
    ["time over", "query", 159, "", "ANALYTICS_TIMEOUT", true],
    ["time over in an insert", "insert", 159, "", "ANALYTICS_TIMEOUT", true],
    ["the query's memory", "query", 241, "Query memory limit exceeded: would use", "ANALYTICS_MEMORY_LIMIT", false],
    [
      "the query's memory, older wording",
      "query",
      241,
      "Memory limit (for query) exceeded",
      "ANALYTICS_MEMORY_LIMIT",
      false,
    ],
    ["the server's memory", "query", 241, "(total) memory limit exceeded", "ANALYTICS_UNAVAILABLE", true],
    ["memory in an insert", "insert", 241, "Query memory limit exceeded", "ANALYTICS_UNAVAILABLE", true],
    ["too many rows", "query", 396, "", "ANALYTICS_RESULT_TOO_LARGE", false],
    ["too many parts", "insert", 252, "Too many parts (3000)", "ANALYTICS_UNAVAILABLE", true],
    [
      "too many partitions",
      "insert",
      252,
      "Too many partitions for single INSERT block",
      "ANALYTICS_INSERT_REFUSED",
      false,
    ],
    ["a cell that does not parse", "insert", 27, "", "ANALYTICS_INSERT_REFUSED", false],
    ["an unknown field", "insert", 117, "", "ANALYTICS_INSERT_REFUSED", false],
    ["a code nobody foresaw, in an insert", "insert", 4711, "", "ANALYTICS_INSERT_REFUSED", false],
    ["a full disk", "insert", 243, "", "ANALYTICS_UNAVAILABLE", true],
    ["a read-only table", "insert", 242, "", "ANALYTICS_UNAVAILABLE", true],
    ["wrong credentials", "query", 516, "", "ANALYTICS_UNAVAILABLE", true],
    ["a full server", "query", 202, "", "ANALYTICS_UNAVAILABLE", true],
    ["a cancelled statement", "command", 394, "", "ANALYTICS_UNAVAILABLE", true],
  ])("%s", (_, kind, engineCode, message, code, retryable) => {
    for (const cause of [overHttp(engineCode, message), embedded(engineCode, message)]) {
      const error = translateError(cause, kind);
      expect(error).toMatchObject({ code, retryable, details: { engine_code: engineCode, call: kind } });
      expect(error.cause).toBe(cause);
    }
  });

  test.each([
    ["a refused connection", Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })],
    ["a reset connection", Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })],
    ["a gateway's page", new Error("<html>502 Bad Gateway</html>")],
    ["something that is no error", "gone"],
  ])("without an answer, %s is an engine that is away", (_, cause) => {
    expect(translateError(cause, "insert")).toMatchObject({ code: "ANALYTICS_UNAVAILABLE", retryable: true });
  });

  test("a mistake of the program is not repeated for ever", () => {
    expect(translateError(new TypeError("x is not a function"), "insert")).toMatchObject({
      code: "ANALYTICS_QUERY_FAILED",
      retryable: false,
    });
  });

  test("an error of the port stays itself", () => {
    const error = new AnalyticsError("ANALYTICS_OVERLOADED");
    expect(translateError(error, "query")).toBe(error);
  });
});
