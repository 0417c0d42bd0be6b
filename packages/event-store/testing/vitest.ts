import { expect } from "vitest";
import { type EventMatchers, eventMatchers } from "./matchers.js";

declare module "vitest" {
  // biome-ignore lint/suspicious/noExplicitAny: an interface is only merged with one that has the same type parameters
  interface Matchers<T = any> extends EventMatchers {}
}

expect.extend(eventMatchers);
