import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Client } from "./client.js";
import { definitions } from "./testing/open-client.js";
import {
  createTestTracker,
  type ExperienceAssertions,
  experienceAsserts,
  experienceMatchers,
  type TestTracker,
} from "./testing.js";

declare module "vitest" {
  // biome-ignore lint/suspicious/noExplicitAny: the declaration that is extended has it so
  interface Matchers<T = any> extends ExperienceAssertions {}
}

let tracker: TestTracker;
let client: Client;

beforeEach(() => {
  tracker = createTestTracker({ definitions });
  client = tracker.createClient();
  expect.extend(experienceMatchers(tracker));
});

afterEach(() => tracker.close());

const start = () => client.start("checkout");
const wholeJourney = () => client.start("checkout", {}, () => {});
const failing = async () => {
  await client.start("checkout", {}, async () => {
    throw new Error("card refused");
  });
};

describe("XP-140 matchers of Vitest", () => {
  test("XP-140 toStartExperience is one start, no more and no less", async () => {
    await expect(start).toStartExperience("checkout");
    await expect(async () => start()).toStartExperience("checkout");
    await expect(() => [start(), start()]).not.toStartExperience("checkout");
    await expect(start).not.toStartExperience("import_project");
    await expect(() => {}).not.toStartExperience("checkout");
  });

  test("XP-140 toCheckpointExperience is one intermediate", async () => {
    const journey = start();
    await expect(() => journey.checkpoint("cart")).toCheckpointExperience("checkout");
    await expect(() => journey.checkpoint("a").checkpoint("b")).not.toCheckpointExperience("checkout");
    await expect(() => journey.complete()).not.toCheckpointExperience("checkout");
  });

  test("XP-140 toResumeExperience is one intermediate that resumes", async () => {
    const headers = await tracker.startedElsewhere("checkout");
    await expect(() => client.resume("checkout", headers)).toResumeExperience("checkout");
    await expect(() => client.resume("checkout", {})).not.toResumeExperience("checkout");
    const journey = start();
    await expect(() => journey.checkpoint("cart")).not.toResumeExperience("checkout");
  });

  test("XP-140 toCompleteExperience is one end with one verdict, and apdex unless there was an error", async () => {
    await expect(wholeJourney).toCompleteExperience("checkout");
    await expect(wholeJourney).not.toCompleteExperience("checkout", { error: true });
    await expect(failing).toCompleteExperience("checkout", { error: true });
    await expect(() => failing().catch(() => {})).not.toCompleteExperience("checkout");
    await expect(start).not.toCompleteExperience("checkout");
    await expect(() => [wholeJourney(), wholeJourney()]).not.toCompleteExperience("checkout");
  });

  test("XP-140 a slow success counts in apdex as well", async () => {
    const journey = start();
    await tracker.advanceBy(5_000);
    await expect(() => journey.complete()).toCompleteExperience("checkout");
  });

  test("XP-140 toDiscardExperience is one discard and nothing else", async () => {
    const [first, second] = [start(), start()];
    await expect(() => first.discard("cancelled")).toDiscardExperience("checkout");
    await expect(() => second.complete()).not.toDiscardExperience("checkout");
  });

  test("XP-140 what the code throws comes out, unless an error is expected", async () => {
    await expect(expect(failing).toStartExperience("checkout")).rejects.toThrow("card refused");
    await expect(expect("no function").toStartExperience("checkout")).rejects.toThrow(TypeError);
  });

  test("XP-140 a failure says what was counted", async () => {
    await expect(expect(() => {}).toStartExperience("checkout")).rejects.toThrow(
      "expected to start checkout: checkpoint start +1 (was +0)",
    );
  });
});

test("XP-140 the same as functions, for node:test", async () => {
  const assertExperience = experienceAsserts(tracker);
  await assertExperience.starts(start, "checkout");
  await assertExperience.not.starts(() => {}, "checkout");
  await assertExperience.completes(wholeJourney, "checkout");
  await assertExperience.completes(failing, "checkout", { error: true });
  const [journey, other] = [start(), start()];
  await assertExperience.checkpoints(() => journey.checkpoint(), "checkout");
  await assertExperience.discards(() => other.discard(), "checkout");
  const headers = await tracker.startedElsewhere("checkout");
  await assertExperience.resumes(() => client.resume("checkout", headers), "checkout");
  await expect(assertExperience.starts(() => {}, "checkout")).rejects.toMatchObject({ name: "AssertionError" });
  await expect(assertExperience.not.starts(start, "checkout")).rejects.toMatchObject({ name: "AssertionError" });
});

describe("XP-140 the tracker of the test kit", () => {
  test("XP-140 has the real rules: a journey that never ends times out at its own deadline", async () => {
    const journey = start();
    await tracker.advanceBy(29_000);
    expect(await tracker.stateOf(journey)).toBe("open");
    await tracker.advanceBy(10_000);
    expect(await tracker.stateOf(journey)).toBe("timed_out");
    const found = await tracker.find("checkout", journey.correlationId ?? "");
    expect(found?.run.verdict?.verdictAtMs).toBe(Date.UTC(2026, 0, 1) + 30_000);
  });

  test("XP-140 takes what several services record of one journey", async () => {
    const worker = tracker.createClient({ type: "worker" });
    const [journey, data] = client.withContext(() => [start(), client.inject({}, "job")]);
    worker.resume("checkout", data, {}, () => {});
    expect(await tracker.stateOf(journey)).toBe("succeeded");
    expect(tracker.checkpoints.map(({ type, checkpoint }) => `${type} ${checkpoint}`)).toEqual([
      "web start",
      "worker intermediate",
      "worker end",
    ]);
  });
});
