import { ulid } from "@signalbox/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { payload, settingsOf, startTracker, type TrackerUnderTest } from "./testing/start-tracker.js";

const polling = { timeout: 60_000, interval: 200 };

let tracker: TrackerUnderTest;
beforeAll(async () => {
  tracker = await startTracker({ withHistory: true, environment: { SIGNALBOX_EXPERIENCE_QUARANTINE: "enforce" } });
});
afterAll(() => tracker?.close());

const producers = async () => (await tracker.get("/reports/experiences?by=producer")).body.producers;
const sums = async (): Promise<readonly string[]> => {
  const text = await (await fetch(`${tracker.metricsUrl}/metrics/experience`)).text();
  return text.split("\n").filter((line) => line.startsWith("gitlab_covered_experience_") && !line.endsWith(" 0"));
};

test("XP-706 XP-737 what a producer of mostly odd checkpoints sends is recorded and shown, and counts nowhere", async () => {
  const headers = { "content-type": "application/json", ...(await tracker.headers("experience:write")) };
  const send = async (checkpoints: readonly object[]): Promise<void> => {
    const body = JSON.stringify({ checkpoints });
    const answer = await fetch(`${tracker.url}/checkpoints/batch`, { method: "POST", headers, body });
    expect(await answer.json()).toMatchObject({ accepted: checkpoints.length });
  };
  // Nobody has configured this type, and each run begins and has no end.
  await send(Array.from({ length: 150 }, () => payload({ type: "toaster" })));
  await expect.poll(producers, polling).toMatchObject([
    {
      checkpoints: 150,
      anomalous: 150,
      anomalous_ratio: 1,
      starts: 150,
      ends: 0,
      imbalance: 1,
      odd: true,
      counted: false,
    },
  ]);
  const [row] = await producers();
  expect(row).toMatchObject({ experiences: 1, last_hour: { checkpoints: 150, anomalous: 150, imbalance: 1 } });
  const warned = tracker.lines.filter(({ message }) => message === "experience.producer_odd");
  expect(warned).toMatchObject([{ level: "warn", fields: { producer: row.producer, counted: false } }]);
  const csv = String((await tracker.get("/reports/experiences?by=producer&format=csv")).body);
  expect(csv).toMatch(/^producer,checkpoints,anomalous,/);

  const before = await sums();
  const correlation_id = ulid();
  await send([payload({ correlation_id }), payload({ correlation_id, checkpoint: "end" })]);
  const { body } = await tracker.get(`/runs/create_merge_request/${correlation_id}`);
  expect(body).toMatchObject({ state: "succeeded" });
  expect(body.timeline).toHaveLength(2);
  await expect
    .poll(async () => (await tracker.tracker.history.journeys("default", correlation_id)).runs.length, polling)
    .toBe(1);
  const { experiences } = (await tracker.get("/reports/experiences")).body;
  const reported = experiences.find(
    (found: Record<string, unknown>) => found["covered_experience_id"] === "create_merge_request",
  );
  expect(reported).toMatchObject({ operations: 0, apdex_weight: 0 });
  expect(await sums()).toEqual(before);
}, 180_000);

test("XP-797 quarantine is off unless it is asked for", () => {
  expect(settingsOf({}).quarantine).toBe("off");
  expect(settingsOf({ SIGNALBOX_EXPERIENCE_QUARANTINE: "enforce" }).quarantine).toBe("enforce");
  expect(() => settingsOf({ SIGNALBOX_EXPERIENCE_QUARANTINE: "on" })).toThrow(/off.*enforce/);
});
