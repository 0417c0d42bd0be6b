export type { Expectation, ExpectationOptions } from "./expectations.js";
export {
  type ExperienceAssertions,
  type ExperienceAssertionsOn,
  type ExperienceAsserts,
  type ExperienceMatchers,
  experienceAsserts,
  experienceMatchers,
  type MatcherResult,
} from "./matchers.js";
export { createTestTracker, type TestTracker, type TestTrackerOptions } from "./test-tracker.js";
