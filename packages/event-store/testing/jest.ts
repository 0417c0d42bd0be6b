import { expect } from "@jest/globals";
import { type EventMatchers, eventMatchers } from "./matchers.js";

declare module "expect" {
  interface Matchers<R extends void | Promise<void>, T = unknown> extends EventMatchers {}
}

declare global {
  // `@types/jest`, for those who use Jest's globals.
  namespace jest {
    // biome-ignore lint/complexity/noBannedTypes: an interface is only merged with one that has the same type parameters
    interface Matchers<R, T = {}> extends EventMatchers {}
  }
}

expect.extend(eventMatchers);
