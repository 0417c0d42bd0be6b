import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
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

  test("XP-400 XP-836 the number of shards stays what it was", async () => {
    await open({ prefix: "shards", shards: 4 });
    await open({ prefix: "shards", shards: 4 });
    await expect(open({ prefix: "shards", shards: 5 })).rejects.toMatchObject({ code: "redis_shards_changed" });
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
});
