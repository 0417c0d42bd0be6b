import { expect, test } from "vitest";
import { createTurnstile } from "./turnstile.js";

test("one is inside at a time, in the order of arrival, also when others arrive meanwhile", async () => {
  const turnstile = createTurnstile();
  const order: number[] = [];
  let inside = 0;
  const pass = async (visitor: number): Promise<void> => {
    const leave = await turnstile.enter();
    expect(++inside).toBe(1);
    order.push(visitor);
    await Promise.resolve();
    inside--;
    leave();
  };
  const visits: Promise<void>[] = [];
  for (let visitor = 0; visitor < 3_000; visitor++) {
    visits.push(pass(visitor));
    if (visitor % 7 === 0) await Promise.resolve();
  }
  await Promise.all(visits);
  expect(order).toEqual(Array.from({ length: 3_000 }, (_, visitor) => visitor));
});

test("leaving twice lets one through, not two", async () => {
  const turnstile = createTurnstile();
  const leave = await turnstile.enter();
  const entered: string[] = [];
  void turnstile.enter().then(() => entered.push("second"));
  void turnstile.enter().then(() => entered.push("third"));
  expect(turnstile.waiting).toBe(2);
  leave();
  leave();
  await new Promise((resolve) => setImmediate(resolve));
  expect(entered).toEqual(["second"]);
  expect(turnstile.waiting).toBe(1);
});
