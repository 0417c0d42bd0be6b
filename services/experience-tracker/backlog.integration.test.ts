import { ulid } from "@signalbox/kernel";
import { requireServers, startRedis } from "@signalbox/testing/servers";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { createRedisStore } from "./store/redis-store.js";
import { createSqlStore } from "./store/sql-store.js";
import { startTracker, type TrackerOptions } from "./testing/start-tracker.js";

const needed = requireServers(["redis-server"]);
const patient = { timeout: 30_000, interval: 50 };

const quick = { covered_experience_id: "quick", feature_category: "testing", urgency: "custom" };

async function expectBound(openStore: NonNullable<TrackerOptions["openStore"]>): Promise<void> {
  const tracker = await startTracker({
    openStore,
    environment: { SIGNALBOX_EXPERIENCE_MAX_OUTBOX: "3", SIGNALBOX_EXPERIENCE_LATE_START_GRACE_S: "0" },
  });
  onTestFinished(() => tracker.close());
  await tracker.define("quick", {
    description: "A journey that is over soon",
    feature_category: "testing",
    urgency: "custom",
    apdex_threshold_s: 0.1,
    timeout_s: 3,
  });
  await tracker.tracker.definitions.reload();
  // Nothing is published any more, and what is taken piles up.
  await tracker.eventStore.stop();
  const started = ulid();
  expect((await tracker.send({ ...quick, correlation_id: started })).status).toBe(201);
  await expect.poll(async () => (await tracker.send({})).status, patient).toBe(503);
  const refused = await tracker.send({});
  expect(refused).toMatchObject({ status: 503, body: { code: "backlog_full" } });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  const timedOut = async () => (await tracker.get(`/runs/quick/${started}`)).body.state;
  await expect.poll(timedOut, patient).toBe("timed_out");
  expect((await tracker.tracker.store.health()).outboxRecords).toBeGreaterThan(3);
}

test("XP-406 XP-835 while too much waits for being published, checkpoints are refused and the reaper goes on: SQL", async () => {
  await expectBound((request, database) =>
    createSqlStore({ database, rules: request.rules, replica: request.replica }),
  );
});

describe.skipIf(needed.skip)(needed.title("the outbox in Redis"), () => {
  test("XP-406 XP-835 while too much waits for being published, checkpoints are refused and the reaper goes on: Redis", async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    await expectBound((request) =>
      createRedisStore({ url: server.url, rules: request.rules, replica: request.replica }),
    );
  });

  test("XP-406 the stream is read by the group `publish`, which takes over from the dead and keeps nothing that was published", async () => {
    const server = await startRedis();
    const client = new Redis(server.url);
    onTestFinished(async () => {
      client.disconnect();
      await server.stop();
    });
    const stream = "sbx:exp:{0}:outbox";
    const consumers = async () => {
      const found = (await client.call("XINFO", "CONSUMERS", stream, "publish")) as (string | number)[][];
      return found.map((fields) => [fields[1], fields[3]]);
    };
    const tracker = await startTracker({
      openStore: (request) => createRedisStore({ url: server.url, rules: request.rules, replica: "living" }),
    });
    onTestFinished(() => tracker.close());
    await tracker.send({});
    await expect.poll(() => client.xlen(stream), patient).toBe(0);
    expect(await consumers()).toEqual([["living", 0]]);

    // A process takes what waits and is never heard of again; it was 31 s ago.
    await tracker.tracker.intake.stop();
    await tracker.send({});
    const dead = createRedisStore({ url: server.url, replica: "dead" });
    await dead.open();
    expect(await dead.takeOutbox(10)).toHaveLength(1);
    await dead.close();
    expect(await consumers()).toEqual([["dead", 1]]);
    const living = createRedisStore({ url: server.url, replica: "heir" });
    await living.open();
    onTestFinished(() => living.close());
    expect(await living.takeOutbox(10)).toEqual([]);
    await client.hset("sbx:exp:{0}:meta", "outbox_until_ms", String(Date.now() - 1_000));
    const inherited = await living.takeOutbox(10);
    expect(inherited).toHaveLength(1);
    expect(await consumers()).toEqual([["heir", 1]]);
    await living.ackOutbox(inherited.map(({ id }) => id));
    expect(await client.xlen(stream)).toBe(0);
    expect(await consumers()).toEqual([["heir", 0]]);
  });
});
