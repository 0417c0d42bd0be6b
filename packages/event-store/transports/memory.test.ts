import { createVirtualClock } from "@signalbox/kernel";
import { afterAll, describe, expect, test } from "vitest";
import { describeTransport } from "./contract.js";
import { createMemoryTransport } from "./memory.js";
import type { ConsumeSpec, Delivery } from "./transport.js";

describeTransport({
  name: "memory",
  cannot: ["durability"],
  runner: { describe, test, afterAll },
  async create(clock) {
    const transport = createMemoryTransport({ clock });
    return { transport, another: () => transport, destroy: () => transport.close() };
  },
});

const spec: ConsumeSpec = {
  subscriber: "lab.listen",
  maxInFlight: 10_000,
  leaseMs: 60_000,
  maxTotal: null,
  perKey: 1,
  rateLimit: null,
  capacity: () => 10_000,
  limited: () => {},
  hurry: () => {},
};

const delivery = (index: number, dueAtMs = 0): Delivery => ({
  id: `event-${index}.lab.listen/lab.rang`,
  subscriber: "lab.listen",
  subscription: "lab.listen/lab.rang",
  eventType: "lab.rang",
  body: "{}",
  key: null,
  perKey: 1,
  dueAtMs,
  maxPending: null,
  dedup: null,
});

test("ES-220 it keeps every promise but durability, and says so", () => {
  expect(createMemoryTransport().cannot).toEqual(["durability"]);
});

test("ES-220 100,000 unsettled deliveries are the most; more are refused as worth repeating, and nothing is given up", async () => {
  const transport = createMemoryTransport();
  await transport.open();
  await transport.enqueue(Array.from({ length: 99_999 }, (_, index) => delivery(index)));
  await expect(transport.enqueue([delivery(100_000), delivery(100_001)])).rejects.toMatchObject({
    code: "EVT_TRANSPORT_FULL",
    retryable: true,
  });
  expect(await transport.enqueue([delivery(100_002)])).toEqual(["enqueued"]);
  expect(await transport.depth("lab.listen")).toMatchObject({ ready: 100_000 });

  const consumer = transport.consume({ ...spec, capacity: () => 1 }, (leases) => {
    void transport.settle(leases.map((lease) => ({ lease, settlement: { kind: "done" } })));
  });
  await expect.poll(() => transport.enqueue([delivery(100_003)]).catch(() => "full")).toEqual(["enqueued"]);
  await consumer.stop();
  await transport.close();
});

test("ES-220 on a virtual clock work runs in the order in which it falls due, and only as far as time goes", async () => {
  const clock = createVirtualClock();
  const transport = createMemoryTransport({ clock });
  await transport.open();
  const startMs = clock.nowMs();
  const ran: (readonly [id: string, afterMs: number])[] = [];
  transport.consume(spec, (leases) => {
    for (const lease of leases) {
      ran.push([lease.deliveryId.split(".")[0] ?? "", clock.nowMs() - startMs]);
      void transport.settle([{ lease, settlement: { kind: "done" } }]);
    }
  });
  await transport.enqueue([300, 100, 200, 500].map((dueMs) => delivery(dueMs, startMs + dueMs)));
  await transport.advanceBy(99);
  expect(ran).toEqual([]);
  await transport.advanceBy(301);
  expect(ran).toEqual([
    ["event-100", 100],
    ["event-200", 200],
    ["event-300", 300],
  ]);
  await transport.advanceBy(100);
  expect(ran.at(-1)).toEqual(["event-500", 500]);
  await transport.close();
});

test("ES-220 runUntilIdle resolves when nothing is ready or running, however that came to be", async () => {
  const transport = createMemoryTransport();
  await transport.open();
  let begun = 0;
  let finished = 0;
  transport.consume({ ...spec, capacity: () => 1 }, (leases) => {
    begun += leases.length;
    setTimeout(async () => {
      // What work brings with it is waited for as well.
      if (begun === 1) await transport.enqueue([delivery(10), delivery(11)]);
      await transport.settle(leases.map((lease) => ({ lease, settlement: { kind: "done" } })));
      finished += leases.length;
    }, 20);
  });
  await transport.enqueue([delivery(1), delivery(2, Date.now() + 3_600_000)]);
  await transport.runUntilIdle();
  expect(finished).toBe(3);
  expect(await transport.depth("lab.listen")).toMatchObject({ ready: 0, running: 0, scheduled: 1 });
  await transport.close();
});

test("ES-109 a publisher that goes on and on does not keep deliveries from being handed out", async () => {
  const transport = createMemoryTransport();
  await transport.open();
  let handedOut = 0;
  transport.consume(spec, (leases) => {
    handedOut += leases.length;
  });
  for (let index = 0; handedOut === 0; index++) {
    // Nobody else pauses in here.
    expect(index).toBeLessThan(1_000);
    await transport.enqueue([delivery(index)]);
  }
  await transport.close();
});
