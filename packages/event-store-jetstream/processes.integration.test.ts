import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeTransportProcesses } from "@signalbox/event-store/testing";
import { requireServers, startNats, type TestServer } from "@signalbox/testing/servers";
import type { TransportPlace } from "@signalbox/testing/transports";
import { afterAll, beforeAll, describe, test } from "vitest";

const needed = requireServers(["nats-server"]);
describe.skipIf(needed.skip)(needed.title("processes"), () => {
  let server: TestServer;
  let names = 0;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.stop());

  describeTransportProcesses({
    name: "JetStream",
    module: "@signalbox/testing/transports",
    runner: { describe, test },
    async create() {
      const directory = mkdtempSync(join(tmpdir(), "jetstream-processes-"));
      const databasePath = join(directory, "events.db");
      const place: TransportPlace = { kind: "jetstream", url: server.url, name: `lab${++names}`, databasePath };
      return { place, destroy: async () => rmSync(directory, { recursive: true }) };
    },
  });
});
