import { createServer, type Server } from "node:net";
import { createEventStore, type Delivery, type Lease, type Transport } from "@signalbox/event-store";
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type BullmqTransportOptions, createBullmqTransport } from "./transport.js";

const needed = requireServers(["redis-server"]);
let deliveries = 0;

describe.skipIf(needed.skip)(needed.title("the queue in Redis"), () => {
  let server: TestServer;
  let redis: Redis;
  let transports: Transport[];
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    redis = new Redis(server.url);
    transports = [];
  });
  afterEach(async () => {
    for (const transport of transports) await transport.close();
    await redis.config("SET", "maxmemory", "0", "maxmemory-policy", "noeviction", "appendonly", "yes");
    await redis.flushall();
    redis.disconnect();
  });

  const createTransport = (options: Partial<BullmqTransportOptions> = {}): Transport => {
    const transport = createBullmqTransport({ url: server.url, ...options });
    transports.push(transport);
    return transport;
  };
  const openTransport = async (options: Partial<BullmqTransportOptions> = {}): Promise<Transport> => {
    const transport = createTransport(options);
    await transport.open();
    return transport;
  };
  const bullmqQueue = (name: string): Queue =>
    new Queue(name, { connection: { host: server.host, port: server.port }, prefix: "signalbox" });

  test("ES-225 deliveries are jobs of a BullMQ queue with the subscriber's name, and BullMQ's tools see them", async () => {
    const transport = await openTransport();
    const first = delivery({ key: "k" });
    const behind = delivery({ key: "k" });
    const later = delivery({ dueAtMs: Date.now() + 60_000 });
    await transport.enqueue([first, behind, later]);
    const queue = bullmqQueue("ci.count_jobs");
    try {
      expect(await queue.getJobCounts()).toMatchObject({ waiting: 1, delayed: 1, "waiting-children": 1, active: 0 });
      const [job] = await queue.getWaiting();
      expect(job?.name).toBe("ci.job_finished");
      expect(job?.data).toEqual(JSON.parse(first.body));
      const leases = consume(transport);
      await expect.poll(() => leases.length).toBe(1);
      expect(await queue.getJobCounts()).toMatchObject({ waiting: 0, active: 1 });
      const [lease] = leases;
      if (lease) await transport.settle([{ lease, settlement: { kind: "done" } }]);
      await expect.poll(() => leases.length).toBe(2);
      expect(leases[1]?.deliveryId).toBe(behind.id);
      // What is over leaves nothing behind.
      expect(await queue.getJobCounts()).toMatchObject({ completed: 0, failed: 0, active: 1, delayed: 1 });
    } finally {
      await queue.close();
    }
  });

  test("ES-225 a queue that is paused with BullMQ hands out nothing until it is resumed", async () => {
    const transport = await openTransport();
    const queue = bullmqQueue("ci.count_jobs");
    try {
      await queue.pause();
      const leases = consume(transport);
      await transport.enqueue([delivery()]);
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(leases).toEqual([]);
      await queue.resume();
      await expect.poll(() => leases.length).toBe(1);
    } finally {
      await queue.close();
    }
  });

  test("ES-225 a job that somebody else adds is no delivery: it fails visibly and holds up nobody", async () => {
    const transport = await openTransport();
    const queue = bullmqQueue("ci.count_jobs");
    try {
      await queue.add("stranger", { some: "data" });
      await transport.enqueue([delivery()]);
      const leases = consume(transport);
      await expect.poll(() => leases.length).toBe(1);
      const [failed] = await queue.getFailed();
      expect(failed?.failedReason).toBe("not a delivery of an event store");
    } finally {
      await queue.close();
    }
  });

  test("ES-183 ES-208 what somebody deletes with BullMQ's tools holds up nobody and counts no more", async () => {
    const transport = await openTransport();
    const bounded = { key: "k", maxPending: { count: 2 } };
    const [first, behind, third] = [delivery(bounded), delivery(bounded), delivery(bounded)];
    expect(await transport.enqueue([first, behind, third])).toEqual(["enqueued", "enqueued", "full"]);
    const queue = bullmqQueue("ci.count_jobs");
    try {
      const [job] = await queue.getWaiting();
      await job?.remove();
      expect(await transport.unsettled([first.id, behind.id])).toEqual([behind.id]);
      const leases = consume(transport, async (taken) => {
        await transport.settle(taken.map((lease) => ({ lease, settlement: { kind: "done" } })));
      });
      await expect.poll(() => leases.map(({ deliveryId }) => deliveryId)).toEqual([behind.id]);
      await expect.poll(() => transport.enqueue([first])).toEqual(["enqueued"]);
      await expect.poll(() => transport.enqueue([third])).toEqual(["enqueued"]);
      await expect.poll(() => leases.length).toBe(3);
      await expect.poll(() => transport.subscribers()).toEqual([]);
      expect(await transport.enqueue([delivery(bounded), delivery(bounded)])).toEqual(["enqueued", "enqueued"]);
    } finally {
      await queue.close();
    }
  });

  test("ES-225 a server that gives up keys when it is full is refused", async () => {
    await redis.config("SET", "maxmemory-policy", "allkeys-lru");
    await expect(createTransport().open()).rejects.toMatchObject({
      code: "EVT_TRANSPORT_UNSUPPORTED",
      message: expect.stringContaining("noeviction"),
    });
    await expect(createTransport({ allowVolatile: true }).open()).rejects.toMatchObject({
      code: "EVT_TRANSPORT_UNSUPPORTED",
    });
  });

  test("ES-225 ES-523 a server without append-only file is refused unless that is allowed", async () => {
    await redis.config("SET", "appendonly", "no");
    const refused = createTransport();
    await expect(refused.open()).rejects.toMatchObject({
      code: "EVT_TRANSPORT_UNSUPPORTED",
      message: expect.stringContaining("appendonly"),
    });
    await expect(createTransport({ allowVolatile: true }).open()).resolves.toBeUndefined();
    // A refused opening may be repeated once the server is set right.
    await redis.config("SET", "appendonly", "yes");
    await expect(refused.open()).resolves.toBeUndefined();
  });

  test("ES-225 a server older than 6.2 is refused, by what INFO says", async () => {
    const old = await startFakeRedis("redis_version:6.0.16\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n");
    try {
      await expect(createTransport({ url: old.url }).open()).rejects.toMatchObject({
        code: "EVT_TRANSPORT_UNSUPPORTED",
        message: expect.stringContaining("6.0.16"),
      });
    } finally {
      old.server.close();
    }
  });

  test("ES-226 a store on BullMQ needs a database", () => {
    expect(() => createEventStore({ transport: createTransport(), source: "/lab", configure: () => {} })).toThrow(
      expect.objectContaining({ code: "EVT_CONFIG_INVALID" }),
    );
  });

  test("ES-226 names that mean something to Redis or BullMQ are refused, and ids and keys that do are harmless", async () => {
    const transport = await openTransport();
    for (const subscriber of ["a:b", "a.*", "a b", "a.b\n", "", "../x", "!known"]) {
      await expect(transport.enqueue([delivery({ subscriber })])).rejects.toMatchObject({ code: "EVT_CONFIG_INVALID" });
      await expect(transport.depth(subscriber)).rejects.toMatchObject({ code: "EVT_CONFIG_INVALID" });
      await expect(transport.remove({ subscriber })).rejects.toMatchObject({ code: "EVT_CONFIG_INVALID" });
    }
    for (const prefix of ["a:b", "*", ""]) expect(() => createTransport({ prefix })).toThrow(/prefix/);
    const odd = delivery({ id: "0:1:2:3:{*}.ci.count_jobs/ci.job_finished", key: ":wait" });
    expect(await transport.enqueue([odd, odd])).toEqual(["enqueued", "duplicate"]);
    const leases = consume(transport);
    await expect.poll(() => leases.map(({ deliveryId, key }) => [deliveryId, key])).toEqual([[odd.id, ":wait"]]);
    for (const key of await redis.keys("*")) expect(key).toMatch(/^signalbox:(ci\.count_jobs|!known|!subscribers)/);
  });

  test("ES-210 a server without free memory takes nothing more, gives up nothing and can be emptied", async () => {
    const transport = await openTransport();
    const body = JSON.stringify("x".repeat(100_000));
    const accepted: string[] = [];
    const used = /used_memory:(\d+)/.exec(await redis.info("memory"));
    await redis.config("SET", "maxmemory", String(Number(used?.[1]) + 5_000_000));
    const fill = async (): Promise<void> => {
      for (;;) {
        const one = delivery({ body });
        await transport.enqueue([one]);
        accepted.push(one.id);
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: "EVT_TRANSPORT_FULL", retryable: true });
    expect(accepted.length).toBeGreaterThan(10);
    const leases = consume(transport, async (taken) => {
      await transport.settle(taken.map((lease) => ({ lease, settlement: { kind: "done" } })));
    });
    await expect.poll(() => leases.length).toBe(accepted.length);
    expect(leases.map(({ deliveryId }) => deliveryId)).toEqual(accepted);
    await expect.poll(() => transport.enqueue([delivery()])).toEqual(["enqueued"]);
  });

  test("ES-202 an id is remembered for the window after it was settled, and then forgotten", async () => {
    const transport = await openTransport({ repetitionWindowMs: 300 });
    const one = delivery();
    await transport.enqueue([one]);
    // While it waits it is known, however long that takes.
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await transport.enqueue([one])).toEqual(["duplicate"]);
    const leases = consume(transport, async (taken) => {
      await transport.settle(taken.map((lease) => ({ lease, settlement: { kind: "done" } })));
    });
    await expect.poll(() => leases.length).toBe(1);
    await expect.poll(() => transport.enqueue([one])).toEqual(["enqueued"]);
    await expect.poll(() => leases.length).toBe(2);
    await expect.poll(() => redis.keys("*:!known:*")).toEqual([]);
  });

  test("ES-208 a long queue is removed and looked at in parts", async () => {
    const transport = await openTransport();
    const types = ["ci.job_finished", "ci.job_removed"];
    const many = Array.from({ length: 1_500 }, (_, index) => delivery({ eventType: types[index % 2] ?? "" }));
    await transport.enqueue(many);
    expect(await transport.peek({}, 2_000)).toHaveLength(1_500);
    expect(await transport.peek({ eventType: "ci.job_removed" }, 400)).toHaveLength(400);
    expect(await transport.remove({ eventType: "ci.job_removed" })).toBe(750);
    const left = await transport.peek({ subscriber: "ci.count_jobs" }, 2_000);
    expect(left.map(({ id }) => id)).toEqual(
      many.filter(({ eventType }) => eventType === "ci.job_finished").map(({ id }) => id),
    );
    expect(await transport.remove({})).toBe(750);
    expect(await transport.subscribers()).toEqual([]);
  });
});

function delivery(overrides: Partial<Delivery> = {}): Delivery {
  const eventType = overrides.eventType ?? "ci.job_finished";
  const subscriber = overrides.subscriber ?? "ci.count_jobs";
  const subscription = `${subscriber}/${eventType}`;
  const id = `event-${++deliveries}`;
  return {
    id: `${id}.${subscription}`,
    subscriber,
    subscription,
    eventType,
    body: JSON.stringify({ id, specversion: "1.0" }),
    key: null,
    perKey: 1,
    dueAtMs: 0,
    maxPending: null,
    dedup: null,
    ...overrides,
  };
}

function consume(transport: Transport, onBatch: (leases: readonly Lease[]) => Promise<void> = async () => {}): Lease[] {
  const taken: Lease[] = [];
  const consumer = transport.consume(
    {
      subscriber: "ci.count_jobs",
      maxInFlight: 1_000,
      leaseMs: 60_000,
      maxTotal: null,
      perKey: 1,
      rateLimit: null,
      capacity: () => 100,
      limited: () => {},
      hurry: () => {},
    },
    (leases) => {
      taken.push(...leases);
      void onBatch(leases).then(() => consumer.wake());
    },
  );
  return taken;
}

/** Answers every command with the same text. */
async function startFakeRedis(info: string): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((socket) => {
    socket.on("data", (data) => {
      const commands = data.toString().match(/^\*\d+/gm)?.length ?? 0;
      socket.write(`$${info.length}\r\n${info}\r\n`.repeat(commands));
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { server, url: `redis://127.0.0.1:${typeof address === "object" && address ? address.port : 0}` };
}
