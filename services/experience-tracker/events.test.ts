import { createMemoryStore, type OutboxRecord } from "@signalbox/experience";
import { checkpointOf, definitionOf } from "@signalbox/experience/testing";
import { createVirtualClock, ulid } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { eventOf } from "./events.js";

const definition = definitionOf("checkout");

async function recordsOf(
  play: (
    at: () => string,
    send: (fields: object) => Promise<void>,
    wait: (ms: number) => Promise<void>,
  ) => Promise<void>,
): Promise<OutboxRecord[]> {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  const id = ulid();
  const at = () => new Date(clock.nowMs()).toISOString();
  await play(
    at,
    async (fields) => {
      await store.apply([
        checkpointOf(definition, { correlation_id: id, checkpoint: "start", client_timestamp: at(), ...fields }),
      ]);
    },
    async (ms) => {
      await clock.advanceBy(ms);
      await store.claimDue(10);
    },
  );
  return (await store.takeOutbox(100)).map(({ record }) => record);
}

test("XP-513 XP-434 an event names its run, and is the same each time it is made of its record", async () => {
  const records = await recordsOf(async (_at, send) => {
    await send({ checkpoint_category: "begin", meta: { user: "alice" } });
    await send({ checkpoint: "end", error: true, error_message: "it broke" });
  });
  const events = records.map(eventOf);
  expect(events.map(({ type }) => type)).toEqual([
    "experience.checkpoint_recorded",
    "experience.checkpoint_recorded",
    "experience.failed",
  ]);
  const [first, , verdict] = events;
  const id = records[0]?.run.identity.correlationId ?? "";
  expect(first).toMatchObject({ subject: `checkout/${id}/1`, key: id, correlationId: id });
  expect(first?.data).toMatchObject({
    checkpoint: "start",
    checkpoint_category: "begin",
    applied: true,
    meta: { user: "alice" },
  });
  expect(verdict?.data).toMatchObject({
    state: "failed",
    reason: "error",
    error: true,
    threshold_s: 2,
    timeout_s: 30,
    error_message: "it broke",
    checkpoint_count: 2,
  });
  expect(verdict?.data).not.toHaveProperty("apdex_success");
  expect(new Set(events.map((event) => event.id)).size).toBe(3);
  expect(records.map(eventOf).map((event) => event.id)).toEqual(events.map((event) => event.id));
});

test("XP-342 XP-513 a timeout's event has its deadline as the time of the verdict, and when it was decided", async () => {
  const records = await recordsOf(async (_at, send, wait) => {
    await send({});
    await wait(3_600_000);
    await send({ checkpoint: "end" });
  });
  const startedMs = records[0]?.run.start?.occurredAtMs ?? 0;
  const [, timedOut, late] = records.map(eventOf);
  expect(timedOut?.type).toBe("experience.timed_out");
  expect(timedOut?.data).toMatchObject({
    verdict_at: new Date(startedMs + 30_000).toISOString(),
    decided_at: new Date(startedMs + 3_600_000).toISOString(),
    reason: "timeout",
  });
  expect(late?.data).toMatchObject({
    checkpoint: "end",
    applied: false,
    verdict: { state: "timed_out", late_end_outcome: "success", lateness_s: 3_570 },
  });
});
