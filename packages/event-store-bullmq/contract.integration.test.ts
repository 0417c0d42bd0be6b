import { describeTransport } from "@signalbox/event-store/testing";
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, test } from "vitest";
import { createBullmqTransport } from "./transport.js";

const needed = requireServers(["redis-server"]);

describe.skipIf(needed.skip)(needed.title("Redis"), () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  let prefixes = 0;
  describeTransport({
    name: "BullMQ",
    cannot: ["retries-follow-clock"],
    runner: { describe, test, afterAll },
    async create(clock) {
      const prefix = `contract-${++prefixes}`;
      const transport = createBullmqTransport({ url: server.url, prefix, clock });
      return {
        transport,
        another: () => createBullmqTransport({ url: server.url, prefix, clock }),
        destroy: () => transport.close(),
      };
    },
  });
});
