import { expect, test } from "vitest";
import { defineErrors, errorCode, errorMessage, isRetryable, SignalboxError } from "./errors.js";
import { KernelError, kernelErrors } from "./kernel-errors.js";

const catalogue = defineErrors("Sample", {
  SAMPLE_BUSY: { message: "The sample is busy", retryable: true, status: 503 },
  SAMPLE_LOST: { message: "The sample is lost" },
});

test("an error takes message, status and retryable from its catalogue entry", () => {
  const busy = new SignalboxError("SAMPLE_BUSY", catalogue.entries.SAMPLE_BUSY);
  expect(busy).toMatchObject({ code: "SAMPLE_BUSY", message: "The sample is busy", retryable: true, status: 503 });
  const lost = new SignalboxError("SAMPLE_LOST", catalogue.entries.SAMPLE_LOST);
  expect(lost).toMatchObject({ retryable: false, status: undefined, details: {} });
  expect("cause" in lost).toBe(false);
});

test("an occurrence may say more than its catalogue entry", () => {
  const cause = new Error("disk");
  const error = new SignalboxError("SAMPLE_LOST", catalogue.entries.SAMPLE_LOST, {
    cause,
    message: "The sample 7 is lost",
    retryable: true,
    status: 410,
    details: { sample: 7 },
  });
  expect(error).toMatchObject({
    message: "The sample 7 is lost",
    retryable: true,
    status: 410,
    details: { sample: 7 },
  });
  expect(error.cause).toBe(cause);
});

test("an error's name is the name of its class", () => {
  expect(new KernelError("CONFIG_INVALID").name).toBe("KernelError");
  expect(new KernelError("CONFIG_INVALID")).toBeInstanceOf(SignalboxError);
});

test("a catalogue cannot be changed", () => {
  expect(Object.isFrozen(catalogue)).toBe(true);
  expect(Object.isFrozen(catalogue.entries)).toBe(true);
});

test("every code of the kernel has a message and a remedy of whole words", () => {
  for (const [code, entry] of Object.entries(kernelErrors.entries)) {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)+$/);
    expect(entry.message, code).toMatch(/^[A-Z].*[^.]$/);
    expect(entry.remedy, code).toMatch(/^[A-Z].*\.$/);
  }
});

test("code, message and retryable are read from anything that was thrown", () => {
  expect(errorCode(Object.assign(new Error(), { code: "ENOENT" }))).toBe("ENOENT");
  expect([undefined, null, "text", 7, { code: 7 }, {}].map(errorCode)).toEqual(Array(6).fill(undefined));
  expect(errorMessage(new Error("why"))).toBe("why");
  expect(errorMessage("why")).toBe("why");
  expect(isRetryable({ retryable: true })).toBe(true);
  expect([{ retryable: "yes" }, null, "retryable", new Error()].map(isRetryable)).toEqual(Array(4).fill(false));
});
