import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, ulid } from "@signalbox/kernel";
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createProducerActivity } from "./producer-activity.js";
import { createRedisStore } from "./store/redis-store.js";
import { recordingLogger, startTracker, type TrackerOptions } from "./testing/start-tracker.js";

const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "activity-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
};

/** What is in the store after trackers have taken checkpoints, one after the other, and have stopped. */
async function expectSums(options: () => TrackerOptions): Promise<void> {
  for (const checkpoint of ["start", "end"]) {
    const tracker = await startTracker(options());
    onTestFinished(() => tracker.close());
    const journey = { correlation_id: ulid() };
    await tracker.send({ ...journey, event_id: "same" });
    await tracker.send({ ...journey, event_id: "same" });
    await tracker.send({ ...journey, checkpoint: "intermediate", type: "never_configured" });
    await tracker.send({ ...journey, checkpoint, event_id: "last" });
    await tracker.send({ covered_experience_id: "unknown" });
    await tracker.close();
  }
  const reader = await startTracker(options());
  onTestFinished(() => reader.close());
  const { store } = reader.tracker;
  const { logger } = recordingLogger();
  const book = createProducerActivity({ store, clock: systemClock, logger });
  // Of two types and two lives: 6 checkpoints, of which the unknown types and the second start of a run are odd.
  expect(await book.lastHour("default")).toEqual([
    { producer: "test", checkpoints: 6, anomalous: 3, starts: 3, ends: 1, lastAtMs: expect.any(Number) },
  ]);
  expect(await book.lastHour("other")).toEqual([]);
  const types = (await store.activity("hour", 0)).map(({ type }) => type);
  expect([...new Set(types)].sort()).toEqual(["other", "web"]);
}

test("XP-737 what a producer sent is known after restarts", async () => {
  const directory = newDirectory();
  await expectSums(() => ({ directory }));
});

const needed = requireServers(["redis-server"]);
describe.skipIf(needed.skip)(needed.title("Redis"), () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  test("XP-737 on Redis as well", async () => {
    await expectSums(() => ({
      openStore: (request) => createRedisStore({ url: server.url, prefix: "activity", ...request }),
    }));
  });
});
