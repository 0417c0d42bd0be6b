import { connect, createServer, type Server, type Socket } from "node:net";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineEvent } from "../../define-event.js";
import { defineSubscriber } from "../../define-subscriber.js";
import type { DomainEvent } from "../../event.js";
import { createEventStore, type EventStore } from "../../event-store.js";
import { eventStoreMigrations } from "./migrations.js";
import { createSqlTransport } from "./transport.js";

const Rang = defineEvent("lab.bell_rung", {
  schema: { type: "object", required: ["ring"], properties: { ring: { type: "integer" } } },
});
type Ring = DomainEvent<{ ring: number }>;

const needed = requireServers(["postgres"]);
describe.skipIf(needed.skip)(needed.title("PostgreSQL goes away"), () => {
  let server: PostgresServer;
  let line: Line;
  let database: Database;
  let store: EventStore;
  let handle: (event: Ring) => Promise<void>;
  let heard: number[];
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    const url = new URL(await server.createDatabase());
    line = await openLine(server.port);
    url.port = String(line.port);
    database = await openDatabase({ url: url.href });
    await migrate(database, [eventStoreMigrations]);
    heard = [];
    handle = async ({ data }) => void heard.push(data.ring);
    const listener = defineSubscriber("lab.hear_bells", { handle: (event: Ring) => handle(event) });
    store = createEventStore({
      transport: createSqlTransport({ database }),
      source: "/lab",
      configure: (registry) => registry.subscribe(listener, { to: Rang }),
    });
    await store.start();
  });
  afterEach(async () => {
    await store.stop({ deadlineMs: 1_000 });
    await database.close();
    line.close();
  });

  const ring = (number: number) => store.publish(Rang.create({ ring: number }));

  test("ES-210 a killed server: publishing is refused as worth repeating, and work goes on once it is back", async () => {
    await ring(1);
    await expect.poll(() => heard, { timeout: 10_000 }).toEqual([1]);
    await server.kill();
    const event = Rang.create({ ring: 2 });
    await expect(store.publish(event)).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNAVAILABLE", retryable: true });
    await server.restart();
    await expect
      .poll(() => store.publish(event).then((receipt) => receipt.decisions[0]?.decision), { timeout: 30_000 })
      .toMatch(/dispatched|duplicate/);
    await expect.poll(() => heard, { timeout: 30_000 }).toEqual([1, 2]);
  });

  test("ES-210 a line that hangs: publishing is refused within 5 s, and the repetition delivers once", async () => {
    await ring(1);
    await expect.poll(() => heard, { timeout: 10_000 }).toEqual([1]);
    const event = Rang.create({ ring: 2 });
    line.hang(true);
    const startedMs = performance.now();
    await expect(store.publish(event)).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNAVAILABLE" });
    expect(performance.now() - startedMs).toBeLessThan(6_000);
    line.hang(false);
    await expect
      .poll(() => store.publish(event).then((receipt) => receipt.decisions[0]?.decision), { timeout: 30_000 })
      .toMatch(/dispatched|duplicate/);
    await expect.poll(() => heard.includes(2), { timeout: 30_000 }).toBe(true);
    await ring(3);
    await expect.poll(() => heard.includes(3), { timeout: 30_000 }).toBe(true);
    expect(heard).toEqual([1, 2, 3]);
  });

  test("ES-210 a handler that ends while the server is away is settled once it is back, and not run again", async () => {
    let finish = (): void => {};
    handle = async ({ data }) => {
      heard.push(data.ring);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    };
    await ring(1);
    await expect.poll(() => heard, { timeout: 10_000 }).toEqual([1]);
    await server.kill();
    finish();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await server.restart();
    handle = async ({ data }) => void heard.push(data.ring);
    await expect
      .poll(async () => (await database.run("select id from event_deliveries where state <> 3")).rows, {
        timeout: 30_000,
      })
      .toEqual([]);
    await expect.poll(() => ring(2).then(() => true), { timeout: 30_000 }).toBe(true);
    await expect.poll(() => heard.at(-1), { timeout: 30_000 }).toBe(2);
    expect(heard).toEqual([1, 2]);
  });
});

/** The way to the server, over which nothing comes any more while it hangs. */
interface Line {
  readonly port: number;
  hang(on: boolean): void;
  close(): void;
}

async function openLine(serverPort: number): Promise<Line> {
  const sockets = new Set<Socket>();
  let hanging = false;
  const server: Server = createServer((near) => {
    const far = connect(serverPort, "127.0.0.1");
    for (const [socket, peer] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("data", (chunk) => peer.write(chunk));
      socket.on("error", () => peer.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        peer.destroy();
      });
      if (hanging) socket.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    hang(on) {
      hanging = on;
      for (const socket of sockets) {
        if (on) socket.pause();
        else socket.resume();
      }
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
