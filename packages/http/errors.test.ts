import type { ErrorEntry } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { httpErrors, httpSetupErrors } from "./errors.js";

test("PF-040 every shared code has a status, every code a remedy, and no code stands in both catalogues", () => {
  const shared: readonly ErrorEntry[] = Object.values(httpErrors.entries);
  const setUp: readonly ErrorEntry[] = Object.values(httpSetupErrors.entries);
  for (const entry of shared) expect(entry.status).toBeGreaterThanOrEqual(400);
  for (const entry of [...shared, ...setUp]) expect(entry.remedy).toMatch(/\w.{8,}\.$/s);
  const codes = [...Object.keys(httpErrors.entries), ...Object.keys(httpSetupErrors.entries)];
  expect(new Set(codes).size).toBe(codes.length);
});
