import { expect } from "vitest";

/** Expects something of a value that becomes so soon; generous, for machines that are busy. */
export function eventually(probe: () => unknown): ReturnType<typeof expect.poll> {
  return expect.poll(probe, { timeout: 15_000 });
}
