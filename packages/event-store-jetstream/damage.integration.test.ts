import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager, type StoredMsg } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { describeDamagedDeliveries } from "@signalbox/event-store/testing";
import { requireServers, startNats, type TestServer } from "@signalbox/testing/servers";
import { openTransport } from "@signalbox/testing/transports";
import { afterAll, beforeAll, describe, test } from "vitest";

const needed = requireServers(["nats-server"]);
describe.skipIf(needed.skip)(needed.title("JetStream"), () => {
  let server: TestServer;
  let names = 0;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.stop());

  describeDamagedDeliveries({
    name: "JetStream",
    runner: { describe, test },
    async create() {
      const directory = mkdtempSync(join(tmpdir(), "damaged-"));
      const name = `damaged${++names}`;
      const connection = await connect({ servers: server.url });
      const manager = await jetstreamManager(connection);
      const stream = name.toUpperCase();
      let written = 0;

      const messageOf = async (id: string): Promise<StoredMsg> => {
        for (let seq = 1; ; ) {
          const message = await manager.direct.getMessage(stream, { seq, next_by_subj: `${name}.deliver.>` });
          if (!message) throw new Error(`there is no message of ${id}`);
          if (message.string().includes(JSON.stringify(id))) return message;
          seq = message.seq + 1;
        }
      };
      /** Messages never change, so another one takes its place. */
      const rewrite = async (id: string, change: (text: string) => string | Uint8Array, messageId?: string) => {
        const message = await messageOf(id);
        await manager.streams.deleteMessage(stream, message.seq);
        const own = headers();
        if (messageId !== undefined) own.set("Nats-Msg-Id", messageId);
        await connection.request(message.subject, change(message.string()), { timeout: 5_000, headers: own });
      };
      const anotherId = (): string => `rewritten-${++written}`;

      return {
        open: () =>
          openTransport({ kind: "jetstream", url: server.url, name, databasePath: join(directory, "events.db") }),
        damageBody: (id, body) => rewrite(id, (text) => `${text.slice(0, text.indexOf("\n"))}\n${body}`, anotherId()),
        wrappings: {
          "bytes that are no text": (id) => rewrite(id, () => new Uint8Array([0xff, 0xfe, 0, 1, 0x80]), anotherId()),
          "nothing at all": (id) => rewrite(id, () => "", anotherId()),
          "no message id": (id) => rewrite(id, () => "written by hand"),
          "a bare envelope": (id) => rewrite(id, (text) => text.slice(text.indexOf("\n") + 1), anotherId()),
          "a head that is no JSON": (id) => rewrite(id, () => "[1,broken\n{}", anotherId()),
          "a head without an end": (id) => rewrite(id, () => '[1,"a"]', anotherId()),
          "a head of other things": (id) => rewrite(id, () => "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]\n{}", anotherId()),
          "a head of a later layout": (id) => rewrite(id, (text) => text.replace("[1,", "[2,"), anotherId()),
        },
        async destroy() {
          await connection.close();
          rmSync(directory, { recursive: true });
        },
      };
    },
  });
});
