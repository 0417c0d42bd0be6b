import { silentLogger } from "@signalbox/kernel";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import { createVerifierPool } from "./pool.js";

const alice = testSigner("alice");

test.each(["wasm", "auto"] as const)(
  "GR-024 worker threads find right and wrong signatures, each answer for its own question (%s)",
  async (engine) => {
    const pool = createVerifierPool({ engine, workers: 2, logger: silentLogger });
    const events = Array.from({ length: 150 }, (_, index) => {
      const event = signEvent(alice, { content: String(index) });
      if (index % 3 === 0) return { ...event, sig: event.sig.replace(/^./, (digit) => (digit === "0" ? "1" : "0")) };
      return index % 7 === 0 ? { ...event, pubkey: "f".repeat(64) } : event;
    });
    const answers = await Promise.all(events.map((event) => pool.verify(event)));
    expect(answers).toEqual(events.map((_, index) => index % 3 !== 0 && index % 7 !== 0));
    await pool.close();
    await pool.close();
    await expect(pool.verify(signEvent(alice))).rejects.toThrow(/closed/);
  },
);

test("GR-024 closing ends checks under way", async () => {
  const pool = createVerifierPool({ workers: 1, logger: silentLogger });
  const outcomes = Promise.allSettled(Array.from({ length: 50 }, () => pool.verify(signEvent(alice))));
  await pool.close();
  expect((await outcomes).every(({ status }) => status === "rejected")).toBe(true);
});
