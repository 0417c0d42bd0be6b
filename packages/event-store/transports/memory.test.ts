import { afterAll, describe, expect, test } from "vitest";
import { describeTransport } from "./contract.js";
import { createMemoryTransport } from "./memory.js";

describeTransport({
  name: "memory",
  cannot: ["durability"],
  runner: { describe, test, afterAll },
  async create() {
    const transport = createMemoryTransport();
    return { transport, another: () => transport, destroy: () => transport.close() };
  },
});

test("ES-109 a publisher that goes on and on does not keep deliveries from being handed out", async () => {
  const transport = createMemoryTransport();
  await transport.open();
  let handedOut = 0;
  transport.consume(
    {
      subscriber: "lab.listen",
      maxInFlight: 10_000,
      leaseMs: 60_000,
      maxTotal: null,
      perKey: 1,
      rateLimit: null,
      capacity: () => 10_000,
      limited: () => {},
      hurry: () => {},
    },
    (leases) => {
      handedOut += leases.length;
    },
  );
  for (let index = 0; handedOut === 0; index++) {
    // Nobody else pauses in here.
    expect(index).toBeLessThan(1_000);
    await transport.enqueue([
      {
        id: `event-${index}.lab.listen/lab.rang`,
        subscriber: "lab.listen",
        subscription: "lab.listen/lab.rang",
        eventType: "lab.rang",
        body: "{}",
        key: null,
        perKey: 1,
        dueAtMs: 0,
        maxPending: null,
        dedup: null,
      },
    ]);
  }
  await transport.close();
});
