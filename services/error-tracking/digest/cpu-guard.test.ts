import { expect, test } from "vitest";
import { createCpuGuard } from "./cpu-guard.js";

const guard = createCpuGuard({ limitMs: 50 });
const tooSlow = expect.objectContaining({ code: "ET_EVENT_TOO_SLOW", retryable: false });

test("ET-287 work gives what it returns and throws what it throws", () => {
  expect(guard.run(() => "done")).toBe("done");
  expect(guard.run(() => undefined)).toBeUndefined();
  const error = new RangeError("its own");
  expect(() =>
    guard.run(() => {
      throw error;
    }),
  ).toThrow(error);
});

test.each<[string, () => unknown]>([
  [
    "a loop",
    () => {
      for (;;);
    },
  ],
  [
    "a loop that catches everything",
    () => {
      for (;;) {
        try {
          for (;;);
        } catch {
          /* nothing gets out */
        }
      }
    },
  ],
  ["a pattern that backtracks", () => /^(?:a+)+$/.test(`${"a".repeat(60)}b`)],
])("ET-287 %s is ended", (_, work) => {
  expect(() => guard.run(work)).toThrow(tooSlow);
  expect(guard.run(() => "next")).toBe("next");
});

test.skipIf(process.platform !== "linux")("ET-287 the time of the processor counts, not that of the wall", () => {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  let tries = 0;
  const work = (): string => {
    if (++tries === 1) for (let waited = 0; waited < 40; waited++) Atomics.wait(gate, 0, 0, 5);
    return "done";
  };
  expect(guard.run(work)).toBe("done");
});
