import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { Delivery, Lease, Transport } from "@signalbox/event-store";
import { errorCode } from "@signalbox/kernel";
import { requireServers, startNats, type TestServer } from "@signalbox/testing/servers";
import { openTransport } from "@signalbox/testing/transports";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JetStreamLease } from "./lease.js";
import { durableName, partitionOf } from "./names.js";

const needed = requireServers(["nats-server"]);
const rounds = 4;
const patient = { timeout: 30_000, interval: 20 };

describe.skipIf(needed.skip)(needed.title("JetStream"), () => {
  let server: TestServer;
  let directory: string;
  beforeAll(async () => {
    server = await startNats();
    directory = mkdtempSync(join(tmpdir(), "jetstream-forgotten-"));
  });
  afterAll(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  test("ES-204 ES-207 what the server forgets to hand out again comes long before the lease would end, and once", async () => {
    const lab = await open("forgotten");
    const keys = keysOfDifferentPartitions(12);
    await lab.transport.enqueue(keys.map((key) => delivery(key, 0)));
    for (let round = 1; round <= rounds; round++) {
      await expect.poll(() => lab.held.size, patient).toBe(keys.length);
      const taken = [...lab.held.values()];
      lab.held.clear();
      const dueAtMs = Date.now() + 60;
      const settlement = { kind: "retry", dueAtMs, attempts: round, progress: null } as const;
      await lab.transport.settle(taken.map((lease) => ({ lease, settlement })));
      const isDone = (): boolean => lab.held.size === keys.length;
      // Questions end and retries begin while the server gets little time, so now and then both in the same moment.
      await Promise.all([starve(isDone), askAgainAndAgain(lab.transport, keys, round, isDone)]);
    }
    await expect.poll(() => lab.held.size, patient).toBe(keys.length);
    expect([...lab.held.values()].map(({ attempts, crashes }) => [attempts, crashes])).toEqual(
      keys.map(() => [rounds, 0]),
    );
    expect(lab.twice).toEqual([]);
    await lab.close();
  });

  test("ES-204 ES-207 what the server hands out a second time while somebody has it is left to him, and is no crash", async () => {
    const lab = await open("reminded");
    const [key = ""] = keysOfDifferentPartitions(1);
    const settled = async (attempts: number): Promise<void> => {
      const lease = lab.held.get(key);
      assert.ok(lease);
      lab.held.clear();
      const settlement = { kind: "retry", dueAtMs: Date.now(), attempts, progress: null } as const;
      expect(await lab.transport.settle([{ lease, settlement }])).toEqual(["settled"]);
    };
    await lab.transport.enqueue([delivery(key, 0)]);
    await expect.poll(() => lab.held.size, patient).toBe(1);
    await settled(1);
    await expect.poll(() => lab.held.get(key)?.attempts, patient).toBe(1);
    const lease = lab.held.get(key);
    assert.ok(lease instanceof JetStreamLease);
    // A reminder that comes too late: it has been handed out meanwhile.
    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    connection.publish(lease.ackSubject, "-NAK");
    const timesDelivered = async (): Promise<number> => {
      const { delivered } = await manager.consumers.info("REMINDED", durableName("lab.listen", lease.partition));
      return delivered.consumer_seq;
    };
    await expect.poll(timesDelivered, patient).toBe(3);
    await connection.close();
    await settled(2);
    await expect.poll(() => lab.held.get(key)?.attempts, patient).toBe(2);
    expect(lab.held.get(key)?.crashes).toBe(0);
    expect(lab.twice).toEqual([]);
    await lab.close();
  });

  test("ES-210 a consumer that somebody deleted on the server is made anew, and its queue goes on", async () => {
    const lab = await open("deleted");
    const [key = ""] = keysOfDifferentPartitions(1);
    await lab.transport.enqueue([delivery(key, 0)]);
    await expect.poll(() => lab.held.size, patient).toBe(1);
    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    for await (const { name } of manager.consumers.list("DELETED")) await manager.consumers.delete("DELETED", name);
    await connection.close();
    const lease = lab.held.get(key);
    assert.ok(lease);
    const isSettled = (): Promise<unknown> =>
      lab.transport.settle([{ lease, settlement: { kind: "done" } }]).catch((error: unknown) => errorCode(error));
    await expect.poll(isSettled, patient).toEqual(["settled"]);
    lab.held.clear();
    await lab.transport.enqueue([delivery(key, 1)]);
    await expect.poll(() => lab.held.get(key)?.body, patient).toBe(delivery(key, 1).body);
    await lab.close();
  });

  interface Lab {
    readonly transport: Transport;
    /** What is handed out at the moment, by key. */
    readonly held: Map<string, Lease>;
    /** Keys of which two were handed out at once. */
    readonly twice: string[];
    close(): Promise<void>;
  }

  async function open(name: string): Promise<Lab> {
    const databasePath = join(directory, `${name}.db`);
    const { transport, close } = await openTransport({ kind: "jetstream", url: server.url, name, databasePath });
    await transport.open();
    const held = new Map<string, Lease>();
    const twice: string[] = [];
    const consumer = transport.consume(
      {
        subscriber: "lab.listen",
        maxInFlight: 100,
        // The server would hand them out again after this, far beyond the patience of a test.
        leaseMs: 3_600_000,
        maxTotal: null,
        perKey: 1,
        rateLimit: null,
        capacity: () => 100,
        limited: () => {},
        hurry: () => {},
      },
      (batch) => {
        for (const lease of batch) {
          const key = lease.key ?? "";
          if (held.has(key)) twice.push(key);
          held.set(key, lease);
        }
      },
    );
    return {
      transport,
      held,
      twice,
      async close() {
        await consumer.stop();
        await transport.close();
        await close();
      },
    };
  }

  /** Lets the server run for moments only, for a while. */
  async function starve(isDone: () => boolean): Promise<void> {
    const untilMs = Date.now() + 1_500;
    while (Date.now() < untilMs && !isDone()) {
      await server.kill("SIGSTOP");
      await sleep(8 + Math.random() * 30);
      await server.kill("SIGCONT");
      await sleep(Math.random() * 3);
    }
  }

  async function askAgainAndAgain(
    transport: Transport,
    keys: readonly string[],
    round: number,
    isDone: () => boolean,
  ): Promise<void> {
    for (let turn = 0; turn < 10 && !isDone(); turn++) {
      await transport.enqueue(keys.map((key) => delivery(key, round * 100 + turn)));
      await sleep(7);
    }
  }
});

function keysOfDifferentPartitions(count: number): string[] {
  const found = new Map<string, string>();
  for (let number = 0; found.size < count; number++) found.set(partitionOf(`key-${number}`, 16), `key-${number}`);
  return [...found.values()];
}

function delivery(key: string, number: number): Delivery {
  const subscription = "lab.listen/lab.bell_rung";
  return {
    id: `${key}-${number}.${subscription}`,
    subscriber: "lab.listen",
    subscription,
    eventType: "lab.bell_rung",
    body: JSON.stringify({ number }),
    key,
    perKey: 1,
    dueAtMs: 0,
    maxPending: null,
    dedup: null,
  };
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
