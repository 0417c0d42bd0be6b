import { fail } from "node:assert";
import { checkExpectation, type Expectation, type ExpectationOptions } from "./expectations.js";
import type { TestTracker } from "./test-tracker.js";

/** What `expect.extend` of Vitest takes. Each is asynchronous: `await expect(work).toStartExperience("checkout")`. */
export type ExperienceMatchers = Readonly<
  Record<
    | "toStartExperience"
    | "toCheckpointExperience"
    | "toResumeExperience"
    | "toCompleteExperience"
    | "toDiscardExperience",
    (work: unknown, id: string, options?: ExpectationOptions) => Promise<MatcherResult>
  >
>;

export interface MatcherResult {
  readonly pass: boolean;
  message(): string;
}

/** For the declaration of the matchers in a project: `interface Matchers<T> extends ExperienceAssertions {}`. */
export interface ExperienceAssertions {
  toStartExperience(id: string): Promise<void>;
  toCheckpointExperience(id: string): Promise<void>;
  toResumeExperience(id: string): Promise<void>;
  toCompleteExperience(id: string, options?: ExpectationOptions): Promise<void>;
  toDiscardExperience(id: string): Promise<void>;
}

/** Matchers for Vitest: `expect.extend(experienceMatchers(tracker))`. */
export function experienceMatchers(tracker: TestTracker): ExperienceMatchers {
  const matcher =
    (expectation: Expectation) =>
    async (work: unknown, id: string, options?: ExpectationOptions): Promise<MatcherResult> => {
      if (typeof work !== "function") throw new TypeError("The matcher takes a function: expect(() => …)");
      const { pass, message } = await checkExpectation(tracker, expectation, () => work(), id, options);
      return { pass, message: () => message };
    };
  return {
    toStartExperience: matcher("start"),
    toCheckpointExperience: matcher("checkpoint"),
    toResumeExperience: matcher("resume"),
    toCompleteExperience: matcher("complete"),
    toDiscardExperience: matcher("discard"),
  };
}

/** For `node:test` and others: the same as functions that reject with an `AssertionError`. */
export interface ExperienceAsserts extends ExperienceAssertionsOn {
  readonly not: ExperienceAssertionsOn;
}

export type ExperienceAssertionsOn = Readonly<
  Record<
    "starts" | "checkpoints" | "resumes" | "completes" | "discards",
    (work: () => unknown, id: string, options?: ExpectationOptions) => Promise<void>
  >
>;

/** `const assertExperience = experienceAsserts(tracker); await assertExperience.starts(() => pay(), "checkout")` */
export function experienceAsserts(tracker: TestTracker): ExperienceAsserts {
  return { ...assertionsOn(tracker, false), not: assertionsOn(tracker, true) };
}

function assertionsOn(tracker: TestTracker, negated: boolean): ExperienceAssertionsOn {
  const assertion =
    (expectation: Expectation) =>
    /** @throws {AssertionError} */
    async (work: () => unknown, id: string, options?: ExpectationOptions): Promise<void> => {
      const { pass, message } = await checkExpectation(tracker, expectation, work, id, options);
      if (pass === negated) fail(negated ? `not ${message}` : message);
    };
  return {
    starts: assertion("start"),
    checkpoints: assertion("checkpoint"),
    resumes: assertion("resume"),
    completes: assertion("complete"),
    discards: assertion("discard"),
  };
}
