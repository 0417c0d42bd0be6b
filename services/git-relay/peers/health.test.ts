import { createVirtualClock } from "@signalbox/kernel";
import { beforeEach, expect, test } from "vitest";
import type { HealthTracker, PeerFailure } from "../sync/ports.js";
import { testPeer } from "../testing/test-peer.js";
import { createHealthTracker } from "./health.js";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const refused: PeerFailure = { kind: "refused", code: "ECONNREFUSED", message: "connect ECONNREFUSED" };

let clock = createVirtualClock();
/** Where in the range of the jitter waits are: 0.5 is without any. */
let drawn = 0.5;
let health: HealthTracker;
const peer = testPeer("wss://peer.example");

beforeEach(() => {
  clock = createVirtualClock();
  drawn = 0.5;
  health = createHealthTracker({ clock, random: { next: () => drawn } });
});

const waitMs = (): number => (health.nextAttemptAt(peer) ?? clock.nowMs()) - clock.nowMs();
const fail = (): void => health.onFailure(peer, refused);

test("GR-350 each failure doubles the wait, up to an hour", () => {
  const waits: number[] = [];
  for (let failure = 0; failure < 12; failure++) {
    fail();
    waits.push(waitMs() / 1_000);
  }
  expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]);
});

test("GR-350 waits differ by a tenth at most", () => {
  drawn = 0;
  fail();
  expect(waitMs()).toBe(4_500);
  health.clear(peer);
  drawn = 1;
  fail();
  expect(waitMs()).toBe(5_500);
});

test("base and longest wait are settings", () => {
  const quick = createHealthTracker({ clock, random: { next: () => 0.5 }, baseBackoffMs: 100, maxBackoffMs: 300 });
  const waits = [1, 2, 3].map(() => {
    quick.onFailure(peer, refused);
    return (quick.nextAttemptAt(peer) ?? 0) - clock.nowMs();
  });
  expect(waits).toEqual([100, 200, 300]);
});

test("no attempt is allowed before the wait is over", async () => {
  expect(health.attemptAllowed(peer)).toBe(true);
  fail();
  await clock.advanceBy(4_999);
  expect(health.attemptAllowed(peer)).toBe(false);
  await clock.advanceBy(1);
  expect(health.attemptAllowed(peer)).toBe(true);
});

test("GR-350 GR-351 failing for a day without a success, a peer is dead and tried once a day", async () => {
  fail();
  await clock.advanceBy(dayMs - 1);
  fail();
  expect(health.state(peer, false)).toBe("degraded");
  expect(waitMs()).toBe(10_000);
  await clock.advanceBy(1);
  expect(health.state(peer, false)).toBe("dead");
  fail();
  expect(waitMs()).toBe(dayMs);
});

test("GR-351 a success ends the count towards being dead", async () => {
  fail();
  await clock.advanceBy(dayMs - 1);
  health.onSuccess(peer);
  fail();
  await clock.advanceBy(dayMs - 1);
  expect(health.state(peer, false)).toBe("degraded");
});

test("GR-351 a peer that only is not connected is disconnected, a connected one is healthy", () => {
  expect(health.state(peer, false)).toBe("disconnected");
  health.onSuccess(peer);
  expect(health.state(peer, true)).toBe("healthy");
  expect(health.state(peer, false)).toBe("disconnected");
});

test("GR-351 of several states that hold, the first in the list counts", async () => {
  fail();
  await clock.advanceBy(dayMs);
  expect(health.state(peer, false)).toBe("dead");
  health.onRateLimit(peer);
  expect(health.state(peer, false)).toBe("rate_limited");
});

test("GR-352 after a failure a peer stays degraded for 300 s of being connected, then is healthy by itself", async () => {
  fail();
  await clock.advanceBy(hourMs);
  health.onSuccess(peer);
  expect(health.failures(peer)).toBe(0);
  expect(health.dump(peer).lastFailureAt).toBe(clock.nowMs() - hourMs);
  await clock.advanceBy(299_999);
  expect(health.state(peer, true)).toBe("degraded");
  await clock.advanceBy(1);
  expect(health.state(peer, true)).toBe("healthy");
});

test("GR-352 connecting again after an end that was no failure does not make a peer degraded", async () => {
  fail();
  health.onSuccess(peer);
  await clock.advanceBy(300_000);
  health.onSuccess(peer);
  expect(health.state(peer, true)).toBe("healthy");
});

test("a lapse of a connected peer makes it degraded for 300 s, without a wait", async () => {
  health.onSuccess(peer);
  health.onLapse(peer);
  expect(health.state(peer, true)).toBe("degraded");
  expect(health.attemptAllowed(peer)).toBe(true);
  await clock.advanceBy(300_000);
  expect(health.state(peer, true)).toBe("healthy");
});

test("GR-354 a pause that the peer asked for lasts 65 s and begins anew when it asks again", async () => {
  health.onRateLimit(peer);
  await clock.advanceBy(64_000);
  health.onRateLimit(peer);
  await clock.advanceBy(64_999);
  expect(health.attemptAllowed(peer)).toBe(false);
  expect(health.state(peer, true)).toBe("rate_limited");
  await clock.advanceBy(1);
  expect(health.rateLimitedUntil(peer)).toBeNull();
  expect(health.attemptAllowed(peer)).toBe(true);
  expect(health.state(peer, true)).toBe("healthy");
});

test("the later of backoff and pause counts", () => {
  health.onRateLimit(peer);
  fail();
  expect(waitMs()).toBe(65_000);
});

test("GR-395 a peer whose address we refuse is tried each hour, and its health does not suffer", async () => {
  health.onFailure(peer, { kind: "target_not_allowed", code: "EGRESS_REFUSED", message: "private" });
  expect(health.failures(peer)).toBe(0);
  expect(health.state(peer, false)).toBe("disconnected");
  expect(waitMs()).toBe(hourMs);
  expect(health.dump(peer).lastFailure?.kind).toBe("target_not_allowed");
});

test("GR-355 what is dumped can be restored by another process, and time passed meanwhile", async () => {
  fail();
  fail();
  const kept = health.dump(peer);
  await clock.advanceBy(4_000);
  const later = createHealthTracker({ clock, random: { next: () => 0.5 } });
  later.restore(peer, kept);
  expect(later.failures(peer)).toBe(2);
  expect(later.state(peer, false)).toBe("degraded");
  expect(later.nextAttemptAt(peer)).toBe(kept.nextAttemptAt);
  await clock.advanceBy(6_000);
  expect(later.attemptAllowed(peer)).toBe(true);
});

test("waits end when the clock is set back to before they began", () => {
  health.onRateLimit(peer);
  fail();
  const kept = health.dump(peer);
  const earlier = createHealthTracker({ clock: createVirtualClock(0), random: { next: () => 0.5 } });
  earlier.restore(peer, kept);
  expect(earlier.attemptAllowed(peer)).toBe(true);
  expect(earlier.state(peer, false)).toBe("degraded");
});

test("a repair forgets everything", () => {
  fail();
  health.onRateLimit(peer);
  health.clear(peer);
  expect(health.attemptAllowed(peer)).toBe(true);
  expect(health.state(peer, false)).toBe("disconnected");
});

test("peers do not share their health", () => {
  fail();
  expect(health.attemptAllowed(testPeer("wss://other.example"))).toBe(true);
});
