import { expect, onTestFinished, test } from "vitest";
import { createVirtualClock } from "./clock.js";
import { createPulse } from "./pulse.js";

function setUp() {
  const clock = createVirtualClock();
  const told: string[] = [];
  const server = { answers: true, asked: 0 };
  const pulse = createPulse({
    clock,
    ask: (signal) => {
      server.asked++;
      if (server.answers) return Promise.resolve();
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    },
    onSilent: () => void told.push("silent"),
    onBack: () => void told.push("back"),
  });
  onTestFinished(() => pulse.close());
  return { clock, told, server, pulse };
}

test("a server that answers within two seconds is not asked, and nobody asks while nothing waits", async () => {
  const { clock, server, pulse, told } = setUp();
  for (let call = 0; call < 5; call++) {
    pulse.began();
    await clock.advanceBy(1_900);
    pulse.ended(true);
  }
  await clock.advanceBy(60_000);
  expect(server.asked).toBe(0);
  expect(told).toEqual([]);
});

test("one that works on something long is asked now and then, and is not silent", async () => {
  const { clock, server, pulse, told } = setUp();
  pulse.began();
  await clock.advanceBy(10_000);
  expect(server.asked).toBeGreaterThan(2);
  expect(server.asked).toBeLessThan(7);
  expect(told).toEqual([]);
  expect(pulse.isSilent).toBe(false);
});

test("one that hangs is silent within five seconds, and back within two after it answers", async () => {
  const { clock, server, pulse, told } = setUp();
  server.answers = false;
  pulse.began();
  await clock.advanceBy(5_000);
  expect(told).toEqual(["silent"]);
  expect(pulse.isSilent).toBe(true);
  pulse.ended(false);
  await clock.advanceBy(30_000);
  expect(told).toEqual(["silent"]);
  server.answers = true;
  await clock.advanceBy(4_000);
  expect(told).toEqual(["silent", "back"]);
  expect(pulse.isSilent).toBe(false);
});

test("calls that end without an answer do not hide the silence; an answer to any call does end it", async () => {
  const { clock, server, pulse, told } = setUp();
  server.answers = false;
  pulse.began();
  for (let call = 0; call < 5; call++) {
    pulse.began();
    await clock.advanceBy(300);
    pulse.ended(false);
  }
  pulse.ended(true);
  pulse.began();
  await clock.advanceBy(1_900);
  expect(server.asked).toBe(0);
  await clock.advanceBy(3_100);
  expect(told).toEqual(["silent"]);
});

test("after it was closed nothing is asked and nobody is told", async () => {
  const { clock, server, pulse, told } = setUp();
  server.answers = false;
  pulse.began();
  await clock.advanceBy(2_500);
  pulse.close();
  await clock.advanceBy(60_000);
  expect(server.asked).toBe(1);
  expect(told).toEqual([]);
});
