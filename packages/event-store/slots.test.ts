import { expect, test } from "vitest";
import type { Urgency } from "./define-subscriber.js";
import { SlotPool, type SlotUser } from "./slots.js";

test("ES-179 no more calls run at once than there are slots", () => {
  const pool = new SlotPool(3);
  const user = userWith("low", 10);
  pool.offer(user);
  expect(user.running).toBe(3);
  user.finish();
  expect([user.running, user.left]).toEqual([3, 6]);
});

test("ES-176 ES-179 slots are shared 6 : 3 : 1 when every urgency has work", () => {
  const pool = new SlotPool(20);
  const [high, low, throttled] = [userWith("high", 100), userWith("low", 100), userWith("throttled", 100)];
  const idler = userWith("low", 20);
  pool.offer(idler);
  for (const user of [throttled, low, high]) pool.offer(user);
  for (let slot = 0; slot < 20; slot++) idler.finish();
  expect([high.running, low.running, throttled.running]).toEqual([12, 6, 2]);
});

test("ES-179 the shares hold while calls come and go", () => {
  const pool = new SlotPool(10);
  const users = [userWith("high", 10_000), userWith("low", 10_000), userWith("throttled", 10_000)];
  for (const user of users) pool.offer(user);
  for (let round = 0; round < 500; round++) for (const user of users) user.finish();
  const [high, low, throttled] = users.map(({ started }) => started);
  expect(users.map(({ running }) => running)).toEqual([6, 3, 1]);
  // Each finished as often as its share of the slots allowed, here one call a round.
  expect(Math.min(high ?? 0, low ?? 0, throttled ?? 0)).toBeGreaterThanOrEqual(500);
});

test("ES-179 what one urgency leaves unused goes to the others", () => {
  const pool = new SlotPool(10);
  const throttled = userWith("throttled", 100);
  pool.offer(throttled);
  expect(throttled.running).toBe(10);
});

test.each([1, 2, 3, 64])("ES-179 with %i slots no urgency starves behind others with endless work", (slots) => {
  const pool = new SlotPool(slots);
  const users = [userWith("high", 10_000), userWith("low", 10_000), userWith("throttled", 10_000)];
  for (const user of users) pool.offer(user);
  for (let turn = 0; turn < 200; turn++) users[turn % 2 === 0 ? 0 : turn % 3]?.finish();
  for (const { started } of users) expect(started).toBeGreaterThan(0);
});

test("ES-179 a single slot goes round by weight", () => {
  const pool = new SlotPool(1);
  const order: Urgency[] = [];
  const users = (["high", "low", "throttled"] as const).map((urgency) =>
    userWith(urgency, 100, () => order.push(urgency)),
  );
  for (const user of users) pool.offer(user);
  for (let turn = 0; turn < 99; turn++) users.find(({ running }) => running > 0)?.finish();
  const share = (urgency: Urgency): number => order.filter((one) => one === urgency).length;
  expect([share("high"), share("low"), share("throttled")]).toEqual([60, 30, 10]);
});

test("ES-179 an urgency that had nothing to do has saved up no turns", () => {
  const pool = new SlotPool(1);
  const high = userWith("high", 1_000);
  pool.offer(high);
  for (let turn = 0; turn < 600; turn++) high.finish();
  const throttled = userWith("throttled", 1_000);
  pool.offer(throttled);
  for (let turn = 0; turn < 70; turn++) (high.running > 0 ? high : throttled).finish();
  expect(throttled.started).toBeLessThanOrEqual(12);
});

test("ES-179 users of one urgency take turns", () => {
  const pool = new SlotPool(1);
  const order: string[] = [];
  const busy = userWith("low", 1);
  pool.offer(busy);
  const users = ["a", "b", "c"].map((name) => userWith("low", 3, () => order.push(name)));
  for (const user of users) pool.offer(user);
  busy.finish();
  for (let turn = 0; turn < 9; turn++) for (const user of users) user.finish();
  expect(order).toEqual(["a", "b", "c", "a", "b", "c", "a", "b", "c"]);
});

test("ES-179 a user that cannot start holds up nobody", () => {
  const pool = new SlotPool(2);
  const stuck: SlotUser = { urgency: "high", canStart: () => false, start: () => expect.fail("it said no") };
  const user = userWith("low", 2);
  pool.offer(stuck);
  pool.offer(user);
  expect(user.running).toBe(2);
});

test("ES-179 releasing a slot twice frees one", () => {
  const pool = new SlotPool(1);
  const releases: (() => void)[] = [];
  const user = userWith("low", 3, (release) => releases.push(release));
  pool.offer(user);
  releases[0]?.();
  releases[0]?.();
  expect([user.started, pool.running]).toEqual([2, 1]);
});

test("ES-169 a lone call waits until nothing else runs and keeps everything else waiting", () => {
  const pool = new SlotPool(4);
  const user = userWith("high", 10);
  pool.offer(user);
  const lone = loneCalls(pool);
  lone.add();
  expect(lone.running).toBe(0);
  for (let call = 0; call < 4; call++) user.finish();
  expect([lone.running, user.running]).toEqual([1, 0]);
  pool.offer(userWith("high", 1));
  expect(pool.running).toBe(1);
  lone.finish();
  expect([lone.running, user.running, pool.running]).toEqual([0, 3, 4]);
});

test("ES-169 between two lone calls the others get a turn", () => {
  const pool = new SlotPool(2);
  const lone = loneCalls(pool);
  const user = userWith("low", 3);
  lone.add();
  lone.add();
  pool.offer(user);
  expect([lone.running, user.started]).toEqual([1, 0]);
  lone.finish();
  expect([lone.running, user.started]).toEqual([0, 2]);
  user.finish();
  user.finish();
  expect([lone.running, lone.started]).toEqual([1, 2]);
  lone.finish();
  expect(user.started).toBe(3);
});

test("ES-169 lone calls follow each other when nobody else has work", () => {
  const pool = new SlotPool(2);
  const lone = loneCalls(pool);
  for (let call = 0; call < 3; call++) lone.add();
  for (let call = 1; call <= 3; call++) {
    expect(lone.started).toBe(call);
    lone.finish();
  }
});

interface Worker extends SlotUser {
  running: number;
  left: number;
  started: number;
  /** Ends the oldest call, if one runs. */
  finish(): void;
}

/** A user with a number of calls to make. */
function userWith(urgency: Urgency, calls: number, onStart: (release: () => void) => unknown = () => {}): Worker {
  const releases: (() => void)[] = [];
  const user: Worker = {
    urgency,
    running: 0,
    left: calls,
    started: 0,
    canStart: () => user.left > 0,
    start(release) {
      user.left--;
      user.running++;
      user.started++;
      releases.push(release);
      onStart(release);
    },
    finish() {
      const release = releases.shift();
      if (!release) return;
      user.running--;
      release();
    },
  };
  return user;
}

function loneCalls(pool: SlotPool): { running: number; started: number; add(): void; finish(): void } {
  const releases: (() => void)[] = [];
  const calls = {
    running: 0,
    started: 0,
    add: () =>
      pool.offerAlone((release) => {
        calls.running++;
        calls.started++;
        releases.push(release);
      }),
    finish() {
      calls.running--;
      releases.shift()?.();
    },
  };
  return calls;
}
