import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeDamagedDeliveries } from "@signalbox/event-store/testing";
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { openTransport } from "@signalbox/testing/transports";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, test } from "vitest";
import { jobIdOf } from "./job.js";

const needed = requireServers(["redis-server"]);
describe.skipIf(needed.skip)(needed.title("BullMQ"), () => {
  let server: TestServer;
  let names = 0;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  describeDamagedDeliveries({
    name: "BullMQ",
    runner: { describe, test },
    async create() {
      const directory = mkdtempSync(join(tmpdir(), "damaged-"));
      const name = `damaged${++names}`;
      const redis = new Redis(server.url);
      const jobOf = (id: string): string => `${name}:lab.keep_samples:${jobIdOf(id)}`;
      const write = async (id: string, field: string, value: string | Buffer): Promise<void> => {
        await redis.hset(jobOf(id), field, value);
      };
      return {
        open: () =>
          openTransport({ kind: "bullmq", url: server.url, name, databasePath: join(directory, "events.db") }),
        damageBody: (id, body) => write(id, "data", body),
        wrappings: {
          "a header that is no JSON": (id) => write(id, "sb", "broken"),
          "a header of bytes": (id) => write(id, "sb", Buffer.from([0xff, 0xfe, 0, 1])),
          "a header of another kind": (id) => write(id, "sb", "[1,2]"),
          "a header that says nothing": (id) => write(id, "sb", "{}"),
          "a header of other things": (id) => write(id, "sb", '{"deliveryId":7,"subscription":[]}'),
          "a header that is gone": async (id) => void (await redis.hdel(jobOf(id), "sb")),
          "attempts that are no number": (id) => write(id, "sba", "many"),
          "a history that is no JSON": (id) => write(id, "sbp", "no JSON"),
        },
        async destroy() {
          redis.disconnect();
          rmSync(directory, { recursive: true });
        },
      };
    },
  });
});
