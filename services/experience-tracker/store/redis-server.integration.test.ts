import { crc32 } from "node:zlib";
import { type Checkpoint, identityKey } from "@signalbox/experience";
import { checkpointOf, definitionOf } from "@signalbox/experience/testing";
import { createVirtualClock, errorCode, systemClock, ulid } from "@signalbox/kernel";
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createHeartbeat } from "../heartbeat.js";
import { recordingLogger } from "../testing/start-tracker.js";
import { watchServer } from "./redis/require-server.js";
import { createRedisStore, type RedisStoreOptions } from "./redis-store.js";

const needed = requireServers(["redis-server"]);

describe.skipIf(needed.skip)(needed.title("what Redis must be"), () => {
  let server: TestServer;
  let client: Redis;
  beforeAll(async () => {
    server = await startRedis();
    client = new Redis(server.url);
  });
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });

  const open = async (options: Partial<RedisStoreOptions> = {}) => {
    const store = createRedisStore({ url: server.url, ...options });
    onTestFinished(() => store.close());
    await store.open();
    return store;
  };
  const set = async (name: string, value: string, back: string) => {
    await client.config("SET", name, value);
    onTestFinished(async () => {
      await client.config("SET", name, back);
    });
  };

  test("XP-403 XP-836 a server that evicts is refused, unless it has no limit", async () => {
    await set("maxmemory-policy", "allkeys-lru", "noeviction");
    await open();
    await set("maxmemory", "500mb", "0");
    await expect(open()).rejects.toMatchObject({ code: "redis_eviction_enabled" });
  });

  test("XP-405 XP-836 a server that answers before its disk has it is refused, unless that is accepted", async () => {
    await set("appendfsync", "everysec", "always");
    await expect(open()).rejects.toMatchObject({ code: "redis_not_durable" });
    const store = await open({ ack: "memory" });
    expect((await store.health()).warnings).not.toEqual([]);
    await set("appendonly", "no", "yes");
    await expect(open()).rejects.toMatchObject({ code: "redis_not_durable" });
  });

  test("XP-405 where reading settings is forbidden, only a server that can wait for its disk is believed to be durable", async () => {
    await client.call("ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-config");
    onTestFinished(async () => {
      await client.call("ACL", "DELUSER", "limited");
    });
    const url = server.url.replace("redis://", "redis://limited:secret@");
    const [, major, minor] = /redis_version:(\d+)\.(\d+)/.exec(await client.info("server")) ?? [];
    const canWait = Number(major) > 7 || (Number(major) === 7 && Number(minor) >= 2);
    const asked = open({ url, prefix: "limited" });
    if (!canWait) await expect(asked).rejects.toMatchObject({ code: "redis_not_durable" });
    const store = canWait ? await asked : await open({ url, prefix: "limited", ack: "memory" });
    expect(await store.apply([start()])).toMatchObject([{ result: "applied" }]);
  });

  test.for([
    ["what an earlier version wrote", null],
    ["what a later version wrote", "99"],
  ] as const)("XP-836 %s is not taken for our own", async ([, format]) => {
    const prefix = `format-${format}`;
    const meta = `${prefix}:{0}:meta`;
    await open({ prefix });
    expect(await client.hexists(meta, "format")).toBe(1);
    if (format === null) await client.hdel(meta, "format");
    else await client.hset(meta, "format", format);
    await expect(open({ prefix })).rejects.toMatchObject({ code: "redis_format_unknown" });
  });

  test("XP-400 XP-836 the number of shards stays what it was", async () => {
    await open({ prefix: "shards", shards: 4 });
    await open({ prefix: "shards", shards: 4 });
    await expect(open({ prefix: "shards", shards: 5 })).rejects.toMatchObject({ code: "redis_shards_changed" });
  });

  test("XP-836 XP-374 a server that was away at the start is looked at before anything is written to it", async () => {
    const late = await startRedis();
    onTestFinished(() => late.stop());
    const before = createRedisStore({ url: late.url, shards: 2 });
    await before.open();
    await before.close();
    await late.kill();
    const store = createRedisStore({ url: late.url, shards: 3 });
    onTestFinished(() => store.close());
    await store.open();
    await late.restart();
    const taken: string[] = [];
    const healthOf = async (): Promise<string> => {
      taken.push(await codeOf(store.apply([start()])));
      return codeOf(store.health());
    };
    await expect.poll(healthOf, patient).toBe("redis_shards_changed");
    expect(new Set(taken)).toEqual(new Set(["state_store_unavailable"]));
  });

  test("XP-405 XP-374 a connection that breaks while the server is looked at does not make it one that is not durable", async () => {
    const { logger, lines } = recordingLogger();
    const fragile = new Redis(server.url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    onTestFinished(() => fragile.disconnect());
    fragile.on("error", () => {});
    const info = await fragile.info();
    const watch = watchServer({ client: fragile, ack: "disk", clock: systemClock, logger });
    fragile.info = async () => {
      fragile.disconnect();
      return info;
    };
    await expect(watch.look()).rejects.not.toMatchObject({ code: "redis_not_durable" });
    watch.assertUsable();
    expect(lines).toEqual([]);
  });

  test("XP-401 of checkpoints that come together, one that cannot be taken fails alone, and nothing else is missing", async () => {
    for (const shards of [1, 3]) {
      const prefix = `together-${shards}`;
      const store = await open({ prefix, shards });
      const damaged = 7;
      const starts = Array.from({ length: 60 }, () => start());
      const key = identityKey((starts[damaged] ?? start()).identity);
      await client.set(`${prefix}:{${crc32(key) % shards}}:run:${key}`, "no run");
      const ends = starts.map(endOf);
      const results = await store.apply([...starts, ...ends]);
      const failed = results.flatMap(({ result }, index) => (result === "failed" ? [index] : []));
      expect(failed).toEqual([damaged, starts.length + damaged]);
      const counters = [...(await store.counters())];
      const sumOf = (part: RegExp) => counters.reduce((sum, [name, value]) => sum + (part.test(name) ? value : 0), 0);
      expect(sumOf(/^checkpoint\|.*\|start$/)).toBe(starts.length - 1);
      expect(sumOf(/^checkpoint\|.*\|end$/)).toBe(starts.length - 1);
      expect(sumOf(/^total\|/)).toBe(starts.length - 1);
      expect(sumOf(/^open\|/)).toBe(0);
      const records = await store.takeOutbox(1_000);
      expect(records.length).toBe((starts.length - 1) * 3);
    }
  });

  test("XP-372 claims under way together take different runs, and leave none", async () => {
    for (const shards of [1, 3]) {
      const clock = createVirtualClock();
      const store = await open({ prefix: `claims-${shards}`, shards, clock, serverClock: false });
      await store.apply(Array.from({ length: 240 }, () => start(clock.nowMs())));
      await clock.advanceBy(3_600_000);
      const claims = await Promise.all([store.claimDue(80), store.claimDue(80), store.claimDue(80)]);
      expect(claims.map(({ decided }) => decided.length)).toEqual([80, 80, 80]);
      expect(new Set(claims.flatMap(({ decided }) => decided.map(({ identity }) => identityKey(identity)))).size).toBe(
        240,
      );
      expect(await store.claimDue(80)).toMatchObject({ decided: [], more: false });
      expect(await store.nextDue()).toBeUndefined();
    }
  });

  test("XP-372 the place of a run that is closed does not stay in the index of what is due", async () => {
    const clock = createVirtualClock();
    const store = await open({ prefix: "leftover", clock, serverClock: false });
    const opening = start(clock.nowMs());
    await store.apply([opening]);
    await clock.advanceBy(3_600_000);
    expect((await store.claimDue(10)).decided.length).toBe(1);
    await client.zadd("leftover:{0}:due", 1, identityKey(opening.identity));
    expect(await store.claimDue(10)).toMatchObject({ decided: [], failed: [] });
    expect(await store.nextDue()).toBeUndefined();
  });

  test("of an open run that has only begun nothing is kept that follows from something else", async () => {
    const clock = createVirtualClock();
    const store = await open({ prefix: "small", clock, serverClock: false });
    const opening = start(clock.nowMs());
    await store.apply([opening]);
    const key = identityKey(opening.identity);
    const run = await client.get(`small:{0}:run:${key}`);
    // Moments of this run lie together: when it was born, its start, and when it is due.
    expect(run?.match(/\d{13}/g)).toHaveLength(3);
    expect(run?.length).toBeLessThan(160);
    const [, entry = ""] = await client.lrange(`small:{0}:tl:${key}`, 0, -1);
    expect(entry.length).toBeLessThan(80);
    expect(await store.get(opening.identity)).toMatchObject({
      run: {
        start: { occurredAtMs: clock.nowMs(), serverAtMs: clock.nowMs(), trusted: true },
        last: { occurredAtMs: clock.nowMs() },
        lastServerMs: clock.nowMs(),
      },
      timeline: [{ kind: "start", clientAtMs: clock.nowMs(), occurredAtMs: clock.nowMs(), digest: opening.digest }],
    });
  });

  test("XP-403 a replica is refused", async () => {
    const replica = await startRedis();
    const replicaClient = new Redis(replica.url);
    onTestFinished(async () => {
      replicaClient.disconnect();
      await replica.stop();
    });
    await replicaClient.replicaof("127.0.0.1", new URL(server.url).port);
    await expect(open({ url: replica.url })).rejects.toMatchObject({ code: "redis_unsuitable" });
  });

  test("XP-403 what is changed later is found within a minute, and said until it is put right", async () => {
    const clock = createVirtualClock();
    const store = await open({ clock, prefix: "later" });
    await store.health();
    await set("maxmemory", "500mb", "0");
    await client.config("SET", "maxmemory-policy", "allkeys-lru");
    onTestFinished(async () => void (await client.config("SET", "maxmemory-policy", "noeviction")));
    await clock.advanceBy(60_000);
    await expect.poll(() => codeOf(store.health()), patient).toBe("redis_eviction_enabled");
    await client.config("SET", "maxmemory-policy", "noeviction");
    await expect
      .poll(async () => {
        await clock.advanceBy(60_000);
        return codeOf(store.health());
      }, patient)
      .toBe("none");
  });

  test("XP-403 XP-374 a server that is full answers, but is not ready until it takes something again", async () => {
    const store = await open({ prefix: "full" });
    const { logger } = recordingLogger();
    const watch = createHeartbeat({ store, replica: ulid(), inlineMetrics: false, clock: systemClock, logger });
    await client.config("SET", "maxmemory", "1");
    onTestFinished(async () => {
      await client.config("SET", "maxmemory", "0");
      await watch.service.stop({ deadlineMs: 1_000 });
    });
    await watch.service.start();
    expect(await codeOf(watch.check())).toBe("state_store_unavailable");
    await client.config("SET", "maxmemory", "0");
    await expect.poll(() => codeOf(watch.check()), patient).toBe("none");
  });

  test("XP-403 XP-374 a server that is full or became a replica is away, not broken", async () => {
    const store = await open({ prefix: "refusing" });
    await client.config("SET", "maxmemory", "1");
    onTestFinished(async () => void (await client.config("SET", "maxmemory", "0")));
    expect(await codeOf(store.apply([start()]))).toBe("state_store_unavailable");
    await client.config("SET", "maxmemory", "0");
    const [taken] = await store.apply([start()]);
    expect(taken?.result).toBe("applied");
    await client.replicaof("127.0.0.1", "1");
    onTestFinished(async () => void (await client.replicaof("NO", "ONE")));
    expect(await codeOf(store.apply([start()]))).toBe("state_store_unavailable");
    await client.replicaof("NO", "ONE");
    expect((await store.apply([start()]))[0]?.result).toBe("applied");
  });

  test("XP-374 a server that hangs is away until it answers again", async () => {
    const store = await open({ prefix: "hanging", maxSilenceMs: 300 });
    const signal = (name: NodeJS.Signals) => server.pid !== undefined && process.kill(server.pid, name);
    onTestFinished(() => void signal("SIGCONT"));
    signal("SIGSTOP");
    expect(await codeOf(store.apply([start()]))).toBe("state_store_unavailable");
    expect(await codeOf(store.get(start().identity))).toBe("state_store_unavailable");
    signal("SIGCONT");
    await expect.poll(() => codeOf(store.apply([start()])), patient).toBe("none");
  });

  test("XP-400 keys are named by prefix, shard and what they hold", async () => {
    const store = await open({ prefix: "layout", shards: 2 });
    const [opened, ended] = [start(), start()];
    await store.apply([opened, ended, { ...ended, kind: "end", eventKey: "end", outcome: "success" }]);
    await store.heartbeat({ replica: "one", reason: "tracker_down" });
    const kinds: Record<string, string> = {};
    for (const key of await client.keys("layout:*")) {
      expect(key).toMatch(/^layout:\{[01]\}:/);
      kinds[key.slice("layout:{0}:".length)] = await client.type(key);
    }
    const nameOf = ({ identity }: Checkpoint) => `default|checkout|${identity.correlationId}|1`;
    expect(kinds).toEqual({
      [`run:${nameOf(opened)}`]: "string",
      [`tl:${nameOf(opened)}`]: "list",
      [`run:${nameOf(ended)}`]: "string",
      [`tl:${nameOf(ended)}`]: "list",
      "open:default|checkout": "zset",
      due: "zset",
      final: "zset",
      counters: "hash",
      outbox: "stream",
      meta: "hash",
    });
    const shardOf = ({ identity }: Checkpoint) => crc32(nameOf({ identity } as Checkpoint)) % 2;
    for (const checkpoint of [opened, ended])
      expect(await client.exists(`layout:{${shardOf(checkpoint)}}:run:${nameOf(checkpoint)}`)).toBe(1);
  });

  test("XP-373 only what is final has an end of its own, and nobody listens to keys that vanish", async () => {
    const store = await open({ prefix: "expiry", rules: { retentionMs: 3_600_000 } });
    const [opened, ended] = [start(), start()];
    await store.apply([opened, ended, { ...ended, kind: "end", eventKey: "end", outcome: "success" }]);
    const leftMs = async (name: string, { identity }: Checkpoint) =>
      client.pttl(`expiry:{0}:${name}:default|checkout|${identity.correlationId}|1`);
    for (const name of ["run", "tl"]) {
      expect(await leftMs(name, opened)).toBe(-1);
      expect(await leftMs(name, ended)).toBeGreaterThan(3_000_000);
    }
    expect(await client.config("GET", "notify-keyspace-events")).toEqual(["notify-keyspace-events", ""]);
  });
});

const definition = definitionOf("checkout");
const patient = { timeout: 30_000, interval: 50 };

function start(timeMs = Date.now()): Checkpoint {
  return checkpointOf(definition, {
    correlation_id: ulid(),
    checkpoint: "start",
    client_timestamp: new Date(timeMs).toISOString(),
  });
}

function endOf({ identity }: Checkpoint): Checkpoint {
  return checkpointOf(definition, {
    correlation_id: identity.correlationId,
    checkpoint: "end",
    client_timestamp: new Date().toISOString(),
  });
}

/** Of what it rejects with. */
async function codeOf(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    () => "none",
    (error: unknown) => errorCode(error) ?? "?",
  );
}
