import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createClient } from "./create-client.js";
import { startHttpTracker } from "./testing/http-tracker.js";
import { definitions, openClient } from "./testing/open-client.js";

/** For each run the sequence numbers in the order in which they arrived. */
function arrivals(checkpoints: readonly { readonly correlation_id: string; readonly sequence?: number }[]) {
  const orders = new Map<string, number[]>();
  for (const { correlation_id, sequence = -1 } of checkpoints)
    orders.set(correlation_id, [...(orders.get(correlation_id) ?? []), sequence]);
  return orders;
}

test("XP-092 5,000 checkpoints recorded while the tracker is away for 60 s arrive once and in order per run", async () => {
  const { client, transport, clock } = openClient({ random: Math.random });
  transport.script = () => new Error("connection refused");
  for (let run = 0; run < 1_000; run++) {
    const experience = client.start("checkout");
    experience.checkpoint("a").checkpoint("b");
    await clock.advanceBy(60);
    experience.checkpoint("c").complete();
  }
  expect(client.stats()).toMatchObject({ queued: 5_000, sent: 0, breakerOpen: true });
  transport.script = () => ({ status: 200 });
  await clock.advanceBy(30_000);
  expect(transport.accepted).toHaveLength(5_000);
  expect(new Set(transport.accepted.map(({ event_id }) => event_id)).size).toBe(5_000);
  expect(new Set([...arrivals(transport.accepted).values()].map(String))).toEqual(new Set(["0,1,2,3,4"]));
  expect(client.stats()).toMatchObject({ sent: 5_000, queueEvents: 0, breakerOpen: false });
});

test("XP-092 over real HTTP the application sees no exception", async () => {
  const failures: unknown[] = [];
  const note = (error: unknown): void => void failures.push(error);
  process.on("unhandledRejection", note).on("uncaughtException", note);
  const tracker = await startHttpTracker();
  await tracker.down();
  const client = createClient({
    endpoint: tracker.url,
    type: "web",
    definitions,
    environment: "production",
    maxBatchWaitMs: 20,
    // A request that is given up may have arrived: then its checkpoints would come twice.
    requestTimeoutMs: 60_000,
  });
  for (let run = 0; run < 1_000; run++) {
    const experience = client.start("checkout");
    experience.checkpoint("a").checkpoint("b").checkpoint("c").complete();
    if (run % 50 === 0) await sleep(20);
  }
  expect(client.stats()).toMatchObject({ queued: 5_000, sent: 0, dropped: { queue_full: 0, expired: 0 } });
  await tracker.up();
  expect(await client.flush(60_000)).toMatchObject({ pending: 0 });
  process.off("unhandledRejection", note).off("uncaughtException", note);
  expect(failures).toEqual([]);
  const ids = tracker.accepted.map(({ event_id }) => event_id);
  expect(new Set(ids).size).toBe(5_000);
  expect(ids).toHaveLength(5_000);
  expect(new Set([...arrivals(tracker.accepted).values()].map(String))).toEqual(new Set(["0,1,2,3,4"]));
  await client.shutdown();
  await tracker.down();
});
