import { expect, test } from "vitest";
import { createVirtualClock } from "./clock.js";
import { createFailureLog } from "./failure-log.js";
import type { LogFields, Logger } from "./logger.js";
import { silentLogger } from "./silent-logger.js";

test("what fails again and again is said when it begins, then once a minute with a count, and when it is over", async () => {
  const lines: [string, string, LogFields | undefined][] = [];
  const at =
    (level: string) =>
    (message: string, fields?: LogFields): void =>
      void lines.push([level, message, fields]);
  const logger: Logger = { ...silentLogger, warn: at("warn"), info: at("info") };
  const clock = createVirtualClock();
  const log = createFailureLog({ logger, clock, message: "rows could not be written" });
  const error = new Error("away");

  log.worked();
  for (let second = 0; second <= 125; second += 1) {
    log.failed({ error });
    await clock.advanceBy(1_000);
  }
  log.worked();
  log.worked();
  log.failed({ error });
  expect(lines).toEqual([
    ["warn", "rows could not be written", { error, failures: 1 }],
    ["warn", "rows could not be written", { error, failures: 60 }],
    ["warn", "rows could not be written", { error, failures: 60 }],
    ["info", "rows could not be written: over", { failures: 126 }],
    ["warn", "rows could not be written", { error, failures: 1 }],
  ]);
});
