import { openDatabase } from "@signalbox/database";
import {
  type Consumer,
  type ConsumeSpec,
  createSqlTransport,
  type Lease,
  type Transport,
} from "@signalbox/event-store";
import { percentile } from "../harness.js";
import { fillQueue } from "./fill-queue.js";
import { createJobStore } from "./job-events.js";
import { say } from "./program.js";

// Handles a part of what waits in a file and says how long its claims took. An empty queue is filled as it was.
const [, , path = "", waiting, handle] = process.argv;

/** Equal on both queues, and small enough that a short one gives many samples. */
const claimSize = 16;
/** The first claims compile the code and read the file's first pages. */
const warmUpClaims = 5;

const database = await openDatabase({ path });
const claims: number[] = [];
const inner = createSqlTransport({ database });
const { store, handled } = createJobStore({ transport: timeClaims(inner, claims), database, handling: "single" });
await store.start();
for (let count = Number(waiting); count < Number(handle); count += Number(waiting)) {
  await handled(count);
  await fillQueue(inner, count, Number(waiting));
}
await handled(Number(handle));
await store.stop();
await database.close();
claims.splice(0, warmUpClaims);
say({
  claims: claims.length,
  p50Ms: percentile(claims, 0.5),
  p99Ms: percentile(claims, 0.99),
  rssMiB: process.resourceUsage().maxRSS / 1024,
});

/** From the question how much is wanted to the deliveries. */
function timeClaims(inner: Transport, samples: number[]): Transport {
  const consume = (spec: ConsumeSpec, onBatch: (leases: readonly Lease[]) => void): Consumer => {
    let askedMs = 0;
    const capacity = (): number => {
      askedMs = performance.now();
      return Math.min(spec.capacity(), claimSize);
    };
    return inner.consume({ ...spec, capacity }, (leases) => {
      samples.push(performance.now() - askedMs);
      onBatch(leases);
    });
  };
  return new Proxy(inner, {
    get(target, name) {
      if (name === "consume") return consume;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
