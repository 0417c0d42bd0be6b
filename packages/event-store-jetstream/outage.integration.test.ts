import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeTransportOutages } from "@signalbox/event-store/testing";
import { openLine, requireServers, startNats, type TestServer } from "@signalbox/testing/servers";
import { openTransport } from "@signalbox/testing/transports";
import { afterAll, beforeAll, describe, test } from "vitest";

/** How often the server is killed under load. */
const kills = Number(process.env["SIGNALBOX_TEST_KILLS"] ?? 2);
const needed = requireServers(["nats-server"]);
describe.skipIf(needed.skip)(needed.title("outages"), () => {
  let server: TestServer;
  let names = 0;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.stop());

  describeTransportOutages({
    name: "JetStream",
    kills,
    // A killed server may have forgotten what it had taken as settled.
    extraRuns: 1,
    runner: { describe, test },
    async create() {
      const directory = mkdtempSync(join(tmpdir(), "jetstream-outages-"));
      const line = await openLine(server.port);
      const url = `nats://127.0.0.1:${line.port}`;
      const name = `outage${++names}`;
      return {
        open: () => openTransport({ kind: "jetstream", url, name, databasePath: join(directory, "events.db") }),
        kill: () => server.kill(),
        restart: () => server.restart(),
        hang: (on) => line.hang(on),
        async destroy() {
          line.close();
          rmSync(directory, { recursive: true });
        },
      };
    },
  });
});
