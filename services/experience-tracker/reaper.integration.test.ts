import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ulid } from "@signalbox/kernel";
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createRedisStore } from "./store/redis-store.js";
import { startTracker, type TrackerOptions, type TrackerUnderTest } from "./testing/start-tracker.js";

async function start(options: TrackerOptions): Promise<TrackerUnderTest> {
  const tracker = await startTracker(options);
  onTestFinished(() => tracker.close());
  await tracker.define("quick", {
    description: "A journey that is over soon",
    feature_category: "testing",
    urgency: "custom",
    apdex_threshold_s: 0.1,
    timeout_s: 0.5,
  });
  await tracker.tracker.definitions.reload();
  return tracker;
}

const quick = { covered_experience_id: "quick", feature_category: "testing", urgency: "custom" };
const noGrace = { SIGNALBOX_EXPERIENCE_LATE_START_GRACE_S: "0" };
const totalKey = "total|quick|testing|custom|web|true";

const stateOf = async (tracker: TrackerUnderTest, id: string) =>
  (await tracker.get(`/runs/quick/${id}`)).body as { state: string; verdict: Record<string, string> };

test("XP-431 XP-342 a start without an end fails once, stamped with its deadline and with when it was decided", async () => {
  const tracker = await start({ environment: noGrace });
  const ids = Array.from({ length: 20 }, () => ulid());
  const started = await Promise.all(ids.map((correlation_id) => tracker.send({ ...quick, correlation_id })));
  await expect.poll(async () => (await tracker.tracker.store.counters()).get(totalKey), { timeout: 30_000 }).toBe(20);
  for (const [index, id] of ids.entries()) {
    const { state, verdict } = await stateOf(tracker, id);
    expect(state).toBe("timed_out");
    expect(verdict["verdict_at"]).toBe(started[index]?.body.deadline);
    expect(Date.parse(verdict["decided_at"] ?? "")).toBeGreaterThan(Date.parse(verdict["verdict_at"] ?? ""));
  }
  expect((await tracker.tracker.store.counters()).get("timeouts|quick|timeout")).toBe(20);
});

test("XP-431 XP-373 what fell due while nobody ran is closed once after the restart, at its own deadline", async () => {
  const directory = mkdtempSync(join(tmpdir(), "restart-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const first = await startTracker({ directory, withReaper: false, environment: noGrace });
  await first.define("quick", {
    description: "x",
    feature_category: "testing",
    urgency: "custom",
    apdex_threshold_s: 0.1,
    timeout_s: 0.5,
  });
  await first.tracker.definitions.reload();
  const id = ulid();
  const { body } = await first.send({ ...quick, correlation_id: id });
  await first.close();
  const second = await start({ directory, environment: noGrace });
  await expect.poll(async () => (await stateOf(second, id)).state).toBe("timed_out");
  expect((await stateOf(second, id)).verdict["verdict_at"]).toBe(body.deadline);
  expect((await second.tracker.store.counters()).get(totalKey)).toBe(1);
});

test("XP-169 XP-435 with the reaper off, a tick closes what is due and says what is left", async () => {
  const tracker = await start({ withReaper: false, environment: noGrace });
  await tracker.send(quick);
  const tick = async () =>
    (await (
      await fetch(`${tracker.url}/reaper/tick`, { method: "POST", headers: await tracker.headers("experience:admin") })
    ).json()) as Record<string, number>;
  await expect.poll(async () => (await tick())["expired"]).toBe(1);
  expect(await tick()).toEqual({ expired: 0, remaining: false, oldest_overdue_s: 0 });
  expect((await tracker.tracker.store.counters()).get(totalKey)).toBe(1);
});

test("XP-433 a record that cannot be judged is put aside after three tries and blocks no other", async () => {
  // It would close the first one before that is broken, where it takes longer to do so than a run may last.
  const tracker = await start({ withReaper: false, environment: noGrace });
  const [bad, good] = [ulid(), ulid()];
  await tracker.send({ ...quick, correlation_id: bad });
  await tracker.database.run("update experience_runs set record = '{broken' where correlation_id = ?", [bad]);
  await tracker.send({ ...quick, correlation_id: good });
  const headers = await tracker.headers("experience:admin");
  const afterTick = async <T>(look: () => T): Promise<T> => {
    await fetch(`${tracker.url}/reaper/tick`, { method: "POST", headers });
    return look();
  };
  await expect.poll(() => afterTick(async () => (await stateOf(tracker, good)).state)).toBe("timed_out");
  const asides = () => tracker.lines.filter(({ message }) => message === "experience.record_quarantined").length;
  await expect.poll(() => afterTick(asides)).toBe(1);
  const text = await (await fetch(`${tracker.metricsUrl}/metrics`)).text();
  expect(text).toContain("signalbox_experience_reaper_quarantined 1");
});

const needed = requireServers(["redis-server"]);

describe.skipIf(needed.skip)(needed.title("replicas on one Redis"), () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  test("XP-431 XP-490 with three replicas each failure counts once, and all of them say so", async () => {
    const replica = () =>
      start({
        environment: noGrace,
        openStore: (request) => createRedisStore({ url: server.url, prefix: "three", ...request }),
      });
    const replicas = [await replica(), await replica(), await replica()];
    const ids = Array.from({ length: 60 }, () => ulid());
    await Promise.all(ids.map((correlation_id, index) => replicas[index % 3]?.send({ ...quick, correlation_id })));
    const [one] = replicas;
    if (!one) throw new Error("no replica");
    await expect.poll(async () => (await one.tracker.store.counters()).get(totalKey)).toBe(60);
    for (const { tracker, metricsUrl } of replicas) {
      expect((await tracker.store.counters()).get("timeouts|quick|timeout")).toBe(60);
      const text = await (await fetch(`${metricsUrl}/metrics/experience`)).text();
      expect(text).toContain(
        'gitlab_covered_experience_total{covered_experience_id="quick",feature_category="testing",urgency="custom",type="web",error="true"} 60',
      );
    }
    await expect
      .poll(() =>
        replicas.flatMap(({ lines }) => lines).some(({ message }) => message === "experience.double_count_risk"),
      )
      .toBe(true);
  });

  test("XP-374 while Redis is away checkpoints get 503, readiness says why, and it goes on by itself", async () => {
    const own = await startRedis();
    const tracker = await start({
      openStore: (request) => createRedisStore({ url: own.url, prefix: "away", ...request }),
    });
    onTestFinished(() => own.stop());
    expect((await tracker.send({})).status).toBe(201);
    await own.kill();
    const refused = await tracker.send({});
    expect(refused).toMatchObject({ status: 503, body: { code: "state_store_unavailable" } });
    expect(refused.headers.get("retry-after")).toBe("5");
    const batch = await fetch(`${tracker.url}/checkpoints/batch`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(await tracker.headers("experience:write")) },
      body: "[]",
    });
    expect(batch.status).toBe(200);
    await expect(tracker.tracker.watch.check()).rejects.toMatchObject({ code: "state_store_unavailable" });
    const said = (text: string) => () => tracker.lines.some(({ message }) => message === text);
    await expect.poll(said("experience.store_down")).toBe(true);

    await own.restart();
    await expect.poll(said("experience.store_up")).toBe(true);
    expect((await tracker.send({})).status).toBe(201);
    await tracker.tracker.watch.check();
  });

  test("XP-401 forgetting the scripts goes unnoticed by producers", async () => {
    const tracker = await start({
      openStore: (request) => createRedisStore({ url: server.url, prefix: "flush", ...request }),
    });
    const { Redis } = await import("ioredis");
    const client = new Redis(server.url);
    onTestFinished(() => client.disconnect());
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all([
        ...Array.from({ length: 10 }, () => tracker.send({})),
        client.script("FLUSH").then(() => ({ status: 201 })),
      ]);
      expect(answers.map(({ status }) => status)).toEqual(Array(11).fill(201));
    }
  });
});
