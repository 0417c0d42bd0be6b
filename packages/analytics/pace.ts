import { setImmediate } from "node:timers/promises";

/** Longest time that encoding or decoding holds the event loop in one go. */
const sliceMs = 8;

/** Lets long loops give way: `await pace()` after each item costs nothing until the slice is used up. */
export function createPace(): () => Promise<void> | undefined {
  let sliceEndMs = performance.now() + sliceMs;
  return () => {
    if (performance.now() < sliceEndMs) return undefined;
    return setImmediate().then(() => {
      sliceEndMs = performance.now() + sliceMs;
    });
  };
}
