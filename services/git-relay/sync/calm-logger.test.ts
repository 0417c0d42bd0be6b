import { createVirtualClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { recordingLogger } from "../testing/recording-logger.js";
import { calmLogger } from "./calm-logger.js";

const [relay, other] = ["wss://peer.example", "wss://other.example"] as const;
const failed = (code: string): Error => Object.assign(new Error(code), { code });

test("GR-480 what goes wrong with a peer again and again is one warning an hour for each cause", async () => {
  const clock = createVirtualClock();
  const { logger, lines } = recordingLogger();
  const calm = calmLogger(logger, clock);
  const warnings = (): number => lines.filter(({ level }) => level === "warn").length;
  for (let minute = 0; minute < 60; minute++) {
    for (const one of [relay, other]) calm.warn("it failed", { relay: one, error: failed("E1") });
    await clock.advanceBy(60_000);
  }
  expect(warnings()).toBe(2);
  // The others are there for who looks closely.
  expect(lines).toHaveLength(120);
  calm.warn("it failed", { relay, error: failed("E1") });
  calm.warn("it failed", { relay, error: failed("E1") });
  expect(warnings()).toBe(3);
  calm.warn("it failed", { relay, error: failed("E2") });
  calm.child("part").warn("something else failed", { relay, error: failed("E1") });
  expect(warnings()).toBe(5);
  // What concerns no peer is not repeated by one.
  for (let time = 0; time < 2; time++) calm.warn("the store is away");
  expect(warnings()).toBe(7);
});
