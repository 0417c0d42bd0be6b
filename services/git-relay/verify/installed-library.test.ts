import { silentLogger } from "@signalbox/kernel";
import { isSignature } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import { openInstalledLibrary } from "./installed-library.js";
import { createVerifierPool } from "./pool.js";

const installed = await openInstalledLibrary();

test("a library that is not there, or is another one, is not used, and the reason is told", async () => {
  for (const names of [[], ["libnothing-of-the-kind.so.1"], ["libc.so.6"]])
    expect(await openInstalledLibrary(names)).toEqual({
      kind: "missing",
      reason: expect.stringMatching(/not installed|cannot be loaded/),
    });
});

test("GR-024 with `auto` signatures are checked on every machine, and the log says once with what", async () => {
  const told: unknown[] = [];
  const logger = { ...silentLogger, info: (_: string, fields?: object) => void told.push(fields) };
  const pool = createVerifierPool({ engine: "auto", workers: 2, logger });
  const event = signEvent(testSigner("alice"));
  const asked = Array.from({ length: 4 }, () => pool.verify(event));
  expect(await Promise.all(asked)).toEqual([true, true, true, true]);
  await expect
    .poll(() => told)
    .toEqual([
      installed.kind === "opened"
        ? { engine: installed.library }
        : { engine: "WebAssembly", reason: expect.stringMatching(/./) },
    ]);
  await pool.close();
});

test.skipIf(installed.kind === "missing")("the library of the machine says what WebAssembly says", () => {
  if (installed.kind === "missing") return;
  const { check } = installed;
  const event = signEvent(testSigner("alice"));
  const [id, pubkey, sig] = [event.id, event.pubkey, event.sig].map((hex) => Buffer.from(hex, "hex"));
  if (!id || !pubkey || !sig) throw new Error("an event has no signature");
  const wrong = (bytes: Uint8Array, index: number) => bytes.map((byte, at) => (at === index ? byte ^ 1 : byte));
  const nothing = new Uint8Array(32).fill(255);
  const cases: (readonly [Uint8Array, Uint8Array, Uint8Array])[] = [
    [id, pubkey, sig],
    [id, nothing, sig],
    [id, new Uint8Array(32), sig],
    [id, pubkey, new Uint8Array(64).fill(255)],
    [id, pubkey, new Uint8Array(64)],
    ...[0, 13, 31].flatMap((index) => [
      [wrong(id, index), pubkey, sig] as const,
      [id, wrong(pubkey, index), sig] as const,
      [id, pubkey, wrong(sig, index)] as const,
      [id, pubkey, wrong(sig, index + 32)] as const,
    ]),
  ];
  const answers = cases.map((parts) => check(...parts));
  expect(answers).toEqual(cases.map((parts) => isSignature(...parts)));
  expect(answers.filter(Boolean)).toHaveLength(1);
});
