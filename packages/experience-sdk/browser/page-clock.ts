import type { Time } from "../platform.js";

/** `setTimeout` treats larger delays as none. */
const longestTimeoutMs = 2_147_483_647;

/** The browser's clock. Where the page is hidden, its timers may come late. */
export const pageClock: Time = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, longestTimeoutMs));
    return { cancel: () => clearTimeout(timer) };
  },
};
