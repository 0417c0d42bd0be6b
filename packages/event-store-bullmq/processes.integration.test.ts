import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeTransportProcesses } from "@signalbox/event-store/testing";
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import type { TransportPlace } from "@signalbox/testing/transports";
import { afterAll, beforeAll, describe, test } from "vitest";

const needed = requireServers(["redis-server"]);
describe.skipIf(needed.skip)(needed.title("processes"), () => {
  let server: TestServer;
  let names = 0;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  describeTransportProcesses({
    name: "BullMQ",
    module: "@signalbox/testing/transports",
    runner: { describe, test },
    async restart() {
      await server.kill();
      await server.restart();
    },
    async create() {
      const directory = mkdtempSync(join(tmpdir(), "bullmq-processes-"));
      const databasePath = join(directory, "events.db");
      const place: TransportPlace = { kind: "bullmq", url: server.url, name: `lab${++names}`, databasePath };
      return { place, destroy: async () => rmSync(directory, { recursive: true }) };
    },
  });
});
