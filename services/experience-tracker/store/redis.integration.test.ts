import { describeExperienceStore } from "@signalbox/experience/testing";
import { createVirtualClock } from "@signalbox/kernel";
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe } from "vitest";
import { describeClockJumps } from "../testing/clock-jumps.js";
import { createRedisStore } from "./redis-store.js";

const needed = requireServers(["redis-server"]);

describe.skipIf(needed.skip)(needed.title("Redis"), () => {
  let server: TestServer;
  let prefixes = 0;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  for (const shards of [1, 3]) {
    describeExperienceStore({
      name: `Redis with ${shards} shards`,
      async create({ rules = {} }) {
        const clock = createVirtualClock();
        const prefix = `test:${++prefixes}`;
        const open = async () => {
          const store = createRedisStore({ url: server.url, prefix, shards, clock, rules, serverClock: false });
          await store.open();
          return store;
        };
        const store = await open();
        return { store, clock, another: open, destroy: () => store.close() };
      },
    });
  }

  describeClockJumps("on Redis", async (clock) => {
    const store = createRedisStore({ url: server.url, prefix: `test:${++prefixes}`, clock, serverClock: false });
    await store.open();
    return { store, destroy: () => store.close() };
  });
});
