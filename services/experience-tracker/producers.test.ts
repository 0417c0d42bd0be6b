import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrometheusMetrics, type Principal } from "@signalbox/http";
import { systemClock } from "@signalbox/kernel";
import { expect, onTestFinished, test, vi } from "vitest";
import { createProducers } from "./producers.js";
import { recordingLogger } from "./testing/start-tracker.js";

const soon = { timeout: 60_000, interval: 50 } as const;

function principalOf(subject: string): Principal {
  return { subject, issuer: "signalbox", scopes: new Set(), tokenId: "1", expiresAtMs: Number.POSITIVE_INFINITY };
}

/** A list of producers that is watched. */
async function watched(content: string | undefined) {
  const directory = mkdtempSync(join(tmpdir(), "producers-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "producers.yml");
  const write = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  if (content !== undefined) write(content);
  const { logger, lines } = recordingLogger();
  const metrics = createPrometheusMetrics();
  const producers = createProducers({ file, ratePerS: 10, burst: 10, clock: systemClock, logger, metrics });
  await producers.service.start();
  onTestFinished(() => producers.service.stop({}));
  const warnings = (): string[] => lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  const state = async (): Promise<string | undefined> =>
    /^signalbox_experience_producers_file\{state="(\w+)"\} 1$/m.exec((await metrics.exposition()).body)?.[1];
  const admits = (subject: string): boolean => producers.admit(principalOf(subject)).kind === "admitted";
  return { producers, write, warnings, state, admits };
}

test("XP-703 the list is read again when it changes, without a restart", async () => {
  const { write, warnings, state, admits } = await watched("- {name: rails, sub: rails}\n");
  expect([admits("rails"), admits("ci"), await state()]).toEqual([true, false, "valid"]);
  write("- {name: ci, sub: ci}\n");
  await vi.waitFor(() => expect([admits("rails"), admits("ci")]).toEqual([false, true]), soon);
  expect(warnings()).toEqual([]);
});

test("XP-703 a list that became wrong changes nothing; it is told once and shown until it is right again", async () => {
  const { producers, write, warnings, state, admits } = await watched("- {name: rails, sub: rails}\n");
  write("- {name: everybody, sub: '*', typo: 1}\n");
  await vi.waitFor(async () => expect(await state()).toBe("stale"), soon);
  await producers.reload();
  expect([admits("rails"), admits("mallory")]).toEqual([true, false]);
  expect(warnings()).toEqual(["the list of experience producers cannot be read; the one before stays in force"]);
  write("- {name: everybody, sub: '*'}\n");
  await vi.waitFor(async () => expect(await state()).toBe("valid"), soon);
  expect(admits("mallory")).toBe(true);
});

test("XP-703 a list that is not there yet lets nobody in until it is", async () => {
  const { producers, write, warnings, state, admits } = await watched(undefined);
  expect([admits("rails"), await state(), warnings().length]).toEqual([false, "invalid", 1]);
  write("- {name: rails, sub: rails}\n");
  await producers.reload();
  expect([admits("rails"), await state()]).toEqual([true, "valid"]);
});
