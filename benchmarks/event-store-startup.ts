import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createEventStore, createMemoryTransport, defineEvent, defineSubscriber } from "@signalbox/event-store";
import { type Benchmark, percentile, scaled } from "./harness.js";

const definitions = scaled(1_000);
const subscriptionsEach = 5;
const rounds = 5;

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

function start(round: number) {
  collectGarbage();
  const heapBefore = process.memoryUsage().heapUsed;
  const startMs = performance.now();
  const events = Array.from({ length: definitions }, (_, index) =>
    defineEvent(`ci.round_${round}_thing_${index}_happened`, {
      schema: {
        type: "object",
        properties: { id: { type: "integer" }, ref: { type: "string" }, ok: { type: "boolean" } },
        required: ["id"],
      },
    }),
  );
  const definedMs = performance.now();
  const store = createEventStore({
    source: "urn:signalbox:bench",
    transport: createMemoryTransport(),
    configure(registry) {
      for (let reader = 0; reader < subscriptionsEach; reader++) {
        const subscriber = defineSubscriber(`stats.reader_${reader}`, { handle: async () => {} });
        registry.subscribe(subscriber, { to: events, if: () => true });
      }
    },
  });
  const readyMs = performance.now();
  collectGarbage();
  const heapBytes = process.memoryUsage().heapUsed - heapBefore;
  const unchecked = events.filter(({ schemaState }) => schemaState === "unchecked").length;
  return { milliseconds: readyMs - startMs, definingMs: definedMs - startMs, heapBytes, unchecked, store };
}

/** Many definitions and subscriptions at the start of a process. */
export const eventStoreStartup: Benchmark = {
  name: "event-store-startup",
  proves: ["ES-912"],
  async run(report) {
    const results = Array.from({ length: rounds }, (_, round) => start(round));
    const middle = (pick: (result: (typeof results)[number]) => number): number => percentile(results.map(pick), 0.5);
    const subscriptions = definitions * subscriptionsEach;
    const workload = `${definitions} definitions with ${subscriptionsEach} subscriptions each`;
    report({
      workload: `${workload}: from nothing to a store`,
      measured: { value: middle(({ milliseconds }) => milliseconds), unit: "ms, at most" },
      target: 250,
      notes: {
        of_it_defining_ms: Math.round(middle(({ definingMs }) => definingMs)),
        schemas_not_compiled_yet: middle(({ unchecked }) => unchecked),
      },
    });
    report({
      workload: `${workload}: memory, definitions included`,
      measured: {
        value: middle(({ heapBytes }) => heapBytes) / subscriptions,
        unit: "bytes for each subscription, at most",
      },
      target: 2_048,
    });
    for (const { store } of results) await store.stop();
  },
};
