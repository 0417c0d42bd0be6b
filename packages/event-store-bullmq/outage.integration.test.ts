import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import {
  createEventStore,
  type DomainEvent,
  defineEvent,
  defineSubscriber,
  type EventStore,
  eventStoreMigrations,
} from "@signalbox/event-store";
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createBullmqTransport } from "./transport.js";

const Rang = defineEvent("lab.bell_rung", {
  schema: { type: "object", required: ["ring"], properties: { ring: { type: "integer" } } },
});
type Ring = DomainEvent<{ ring: number }>;
/** How often Redis is killed under load. */
const kills = Number(process.env["SIGNALBOX_TEST_KILLS"] ?? 3);

const needed = requireServers(["redis-server"]);
describe.skipIf(needed.skip)(needed.title("Redis goes away"), () => {
  let server: TestServer;
  let line: Line;
  let directory: string;
  let database: Database;
  let store: EventStore;
  let handle: (event: Ring) => Promise<void>;
  let heard: number[];
  let prefixes = 0;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    line = await openLine(server.port);
    directory = mkdtempSync(join(tmpdir(), "event-store-bullmq-"));
    database = await openDatabase({ path: join(directory, "events.db") });
    await migrate(database, [eventStoreMigrations]);
    heard = [];
    handle = async ({ data }) => void heard.push(data.ring);
    const listener = defineSubscriber("lab.hear_bells", { handle: (event: Ring) => handle(event) });
    store = createEventStore({
      transport: createBullmqTransport({ url: `redis://127.0.0.1:${line.port}`, prefix: `outage-${++prefixes}` }),
      database,
      source: "/lab",
      configure: (registry) => registry.subscribe(listener, { to: Rang }),
    });
    await store.start();
  });
  afterEach(async () => {
    await store.stop({ deadlineMs: 1_000 });
    await database.close();
    line.close();
    rmSync(directory, { recursive: true });
  });

  const publish = (event: Ring): Promise<string | undefined> =>
    store.publish(event).then((receipt) => receipt.decisions[0]?.decision);
  const ring = (number: number): Promise<string | undefined> => publish(Rang.create({ ring: number }));
  const patient = { timeout: 30_000 };

  test("ES-210 a killed server: publishing is refused as worth repeating, and work goes on once it is back", async () => {
    await ring(1);
    await expect.poll(() => heard).toEqual([1]);
    await server.kill();
    const event = Rang.create({ ring: 2 });
    const startedMs = performance.now();
    await expect(publish(event)).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNAVAILABLE", retryable: true });
    expect(performance.now() - startedMs).toBeLessThan(6_000);
    await server.restart();
    await expect.poll(() => publish(event), patient).toMatch(/dispatched|duplicate/);
    await expect.poll(() => heard, patient).toEqual([1, 2]);
  });

  test("ES-210 a line that hangs: publishing is refused within 5 s, and the repetition delivers once", async () => {
    await ring(1);
    await expect.poll(() => heard).toEqual([1]);
    const event = Rang.create({ ring: 2 });
    line.hang(true);
    const startedMs = performance.now();
    await expect(publish(event)).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNAVAILABLE" });
    expect(performance.now() - startedMs).toBeLessThan(6_000);
    line.hang(false);
    await expect.poll(() => publish(event), patient).toMatch(/dispatched|duplicate/);
    await expect.poll(() => heard.includes(2), patient).toBe(true);
    await expect.poll(() => ring(3), patient).toBe("dispatched");
    await expect.poll(() => heard, patient).toEqual([1, 2, 3]);
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
    await expect.poll(() => heard).toEqual([1]);
    await server.kill();
    finish();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await server.restart();
    handle = async ({ data }) => void heard.push(data.ring);
    const transport = createBullmqTransport({ url: server.url, prefix: `outage-${prefixes}` });
    await transport.open();
    await expect.poll(() => transport.subscribers(), patient).toEqual([]);
    await transport.close();
    await expect.poll(() => ring(2), patient).toBe("dispatched");
    await expect.poll(() => heard, patient).toEqual([1, 2]);
  });

  test("ES-201 Redis is killed under load: nothing that was acknowledged is lost or handled twice", async () => {
    const acknowledged: number[] = [];
    let next = 0;
    let isOver = false;
    const publishOn = async (): Promise<void> => {
      while (!isOver) {
        const event = Rang.create({ ring: next++ });
        // A refused publish is repeated, as callers do.
        for (let accepted = false; !accepted && !isOver; )
          accepted = await publish(event).then(
            () => true,
            () => false,
          );
        acknowledged.push(event.data.ring);
      }
    };
    const publishers = Array.from({ length: 20 }, publishOn);
    for (let kill = 0; kill < kills; kill++) {
      const before = acknowledged.length;
      await expect.poll(() => acknowledged.length, patient).toBeGreaterThan(before + 500);
      await server.kill();
      await server.restart();
    }
    const before = acknowledged.length;
    await expect.poll(() => acknowledged.length, patient).toBeGreaterThan(before + 500);
    isOver = true;
    await Promise.all(publishers);
    await expect
      .poll(
        () => {
          const seen = new Set(heard);
          return acknowledged.filter((number) => !seen.has(number));
        },
        { timeout: 60_000 },
      )
      .toEqual([]);
    expect(heard.length).toBe(new Set(heard).size);
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
