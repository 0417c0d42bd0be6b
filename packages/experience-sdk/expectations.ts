import { splitCounterKey } from "@signalbox/experience";
import type { TestTracker } from "./test-tracker.js";

/** What code under test is expected to do to a journey. */
export type Expectation = "start" | "checkpoint" | "resume" | "complete" | "discard";

export interface ExpectationOptions {
  /** With `complete`: whether the journey is expected to end with an error. Default false. */
  readonly error?: boolean;
}

export interface ExpectationResult {
  readonly pass: boolean;
  readonly message: string;
}

type Work = () => unknown;

/**
 * Runs `work` and compares the tracker's counters before and after: the expected ones must have risen by exactly one.
 * What `work` throws comes out, unless the journey is expected to end with an error.
 */
export async function checkExpectation(
  tracker: TestTracker,
  expectation: Expectation,
  work: Work,
  id: string,
  { error = false }: ExpectationOptions = {},
): Promise<ExpectationResult> {
  await tracker.settle();
  const before = await countsOf(tracker, id);
  try {
    await work();
  } catch (failure) {
    if (!(expectation === "complete" && error)) throw failure;
  }
  await tracker.settle();
  const after = await countsOf(tracker, id);
  const rises = differences(before, after);
  const expected = expectedRises(expectation, error);
  const wrong = Object.entries(expected).filter(([name, rise]) => (rises[name] ?? 0) !== rise);
  return {
    pass: wrong.length === 0,
    message: `expected to ${expectation} ${id}: ${Object.entries(expected)
      .map(([name, rise]) => `${name} +${rise} (was +${rises[name] ?? 0})`)
      .join(", ")}`,
  };
}

type Counts = Readonly<Record<string, number>>;

function expectedRises(expectation: Expectation, error: boolean): Counts {
  switch (expectation) {
    case "start":
      return { "checkpoint start": 1 };
    case "checkpoint":
      return { "checkpoint intermediate": 1 };
    case "resume":
      return { "checkpoint intermediate": 1, resumed: 1 };
    case "complete":
      return { "checkpoint end": 1, [`total error=${error}`]: 1, [`total error=${!error}`]: 0, apdex: error ? 0 : 1 };
    case "discard":
      return { discarded: 1, "checkpoint end": 0, "total error=false": 0, "total error=true": 0, apdex: 0 };
  }
}

async function countsOf(tracker: TestTracker, id: string): Promise<Counts> {
  const counts: Record<string, number> = {};
  const add = (name: string, value: number): void => {
    counts[name] = (counts[name] ?? 0) + value;
  };
  for (const [key, value] of await tracker.counters()) {
    const [family, experience, ...labels] = splitCounterKey(key);
    if (experience !== id) continue;
    if (family === "checkpoint") add(`checkpoint ${labels.at(-1)}`, value);
    if (family === "total") add(`total error=${labels.at(-1)}`, value);
    if (family === "apdex") add("apdex", value);
    if (family === "discards") add("discarded", value);
  }
  add(
    "resumed",
    tracker.checkpoints.filter(
      ({ covered_experience_id, checkpoint_category }) =>
        covered_experience_id === id && checkpoint_category === "resume",
    ).length,
  );
  return counts;
}

function differences(before: Counts, after: Counts): Counts {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return Object.fromEntries([...names].map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
}
