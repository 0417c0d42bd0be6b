import { ulid } from "@signalbox/kernel";
import { startClickHouseHttp } from "@signalbox/testing/servers";
import { expect, onTestFinished, test } from "vitest";
import { startTracker } from "./testing/start-tracker.js";

const none = { ready: 0, scheduled: 0, running: 0 };
const patient = { timeout: 60_000, interval: 100 };

test("XP-542 while the analytics store is away checkpoints go on and events wait; then each is a row, once", async () => {
  const server = await startClickHouseHttp();
  onTestFinished(() => server.stop());
  const tracker = await startTracker({ analyticsUrl: server.url });
  onTestFinished(() => tracker.close());
  const rowsOf = async (correlationId: string) =>
    (await tracker.tracker.history.journeys("default", correlationId)).checkpoints.length;
  const sendJourney = async (): Promise<string> => {
    const correlation_id = ulid();
    expect((await tracker.send({ correlation_id, checkpoint: "start" })).status).toBe(201);
    expect((await tracker.send({ correlation_id, checkpoint: "end" })).status).toBe(200);
    return correlation_id;
  };

  const waiting = async (): Promise<number> => {
    const { ready, scheduled, running } = (await tracker.eventStore.queues.get("experience.history"))?.depth ?? none;
    return ready + scheduled + running;
  };

  const before = await sendJourney();
  await expect.poll(() => rowsOf(before), patient).toBe(2);
  await server.kill();
  const during = [await sendJourney(), await sendJourney()];
  expect(await waiting()).toBeGreaterThan(0);
  await server.restart();
  for (const id of [before, ...during]) await expect.poll(() => rowsOf(id), patient).toBe(2);
  await expect.poll(waiting, patient).toBe(0);
});
