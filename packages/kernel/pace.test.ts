import { expect, test } from "vitest";
import { createPace, noteUrgentWork } from "./pace.js";

function spin(durationMs: number): void {
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs);
}

/** Counts the turns of the event loop until `work` is done. */
async function turnsDuring(work: Promise<void> | undefined): Promise<number> {
  let turns = 0;
  let done = false;
  const count = (): void => {
    turns++;
    if (!done) setImmediate(count);
  };
  setImmediate(count);
  await work;
  done = true;
  return turns;
}

test("a loop gives way when its slice is used up, and not before", async () => {
  const pace = createPace({ sliceMs: 50 });
  expect(pace()).toBeUndefined();
  spin(55);
  const pause = pace();
  expect(pause).toBeInstanceOf(Promise);
  await pause;
  expect(pace()).toBeUndefined();
});

test("a loop in a quiet process goes on after one turn", async () => {
  const pace = createPace({ sliceMs: 5 });
  spin(6);
  expect(await turnsDuring(pace())).toBeLessThanOrEqual(2);
});

test("a loop rests after its slice while there is urgent work", async () => {
  const pace = createPace({ sliceMs: 5 });
  spin(6);
  noteUrgentWork();
  const startMs = performance.now();
  await pace();
  // Three times the slice, less what timers may be early.
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(17);

  spin(6);
  expect(await turnsDuring(pace())).toBeLessThanOrEqual(2);
});

test("a loop that somebody waits for does not rest", async () => {
  const pace = createPace({ sliceMs: 5, rests: false });
  spin(6);
  noteUrgentWork();
  expect(await turnsDuring(pace())).toBeLessThanOrEqual(2);
});
