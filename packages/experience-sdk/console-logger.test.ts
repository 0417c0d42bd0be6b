import { expect, onTestFinished, test, vi } from "vitest";
import { consoleLogger } from "./console-logger.js";

test("an error is written as its reasons, without the stack of a library", () => {
  const written: unknown[] = [];
  const warn = vi.spyOn(console, "warn").mockImplementation((...line) => void written.push(...line));
  onTestFinished(() => warn.mockRestore());
  const refused = Object.assign(new AggregateError([]), { code: "ECONNREFUSED" });
  const error = new TypeError("fetch failed", { cause: refused });
  consoleLogger.warn("definitions cannot be read from the tracker", { error, attempt: 1 });
  expect(written).toEqual([
    "[experience-sdk] definitions cannot be read from the tracker",
    { error: "fetch failed: ECONNREFUSED", attempt: 1 },
  ]);
});
