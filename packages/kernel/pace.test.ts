import { expect, test } from "vitest";
import { createPace } from "./pace.js";

function spin(durationMs: number): void {
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs);
}

test("PF-902 a loop gives way when its slice is used up, and not before", async () => {
  const pace = createPace({ sliceMs: 20 });
  expect(pace()).toBeUndefined();
  spin(25);
  const pause = pace();
  expect(pause).toBeInstanceOf(Promise);
  await pause;
  expect(pace()).toBeUndefined();
});

test("PF-902 others go first as long as they are busy, within the patience", async () => {
  const pace = createPace({ sliceMs: 1, patienceMs: 10_000 });
  let busyTurns = 0;
  const others = (): void => {
    spin(3);
    if (++busyTurns < 5) setImmediate(others);
  };
  setImmediate(others);
  spin(2);
  await pace();
  expect(busyTurns).toBe(5);
});

test("PF-902 others that never end do not stop the loop", async () => {
  const pace = createPace({ sliceMs: 1, patienceMs: 15 });
  let goOn = true;
  const others = (): void => {
    spin(3);
    if (goOn) setImmediate(others);
  };
  setImmediate(others);
  spin(2);
  await pace();
  goOn = false;
  expect(pace()).toBeUndefined();
});
