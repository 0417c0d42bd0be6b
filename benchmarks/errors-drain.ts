import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { SignalboxServer } from "@signalbox/testing/servers";
import { type Benchmark, scaled } from "./harness.js";
import { type ErrorMixOptions, mixedBodies } from "./load/error-mix.js";
import {
  createSender,
  drained,
  type ErrorStores,
  onEachStores,
  quantileBetween,
  scrape,
  storedEvents,
  takenOf,
  withInstallation,
} from "./load/errors-server.js";
import { openRowStore } from "./peers/row-store.js";

// So many that the seconds in which a program that has just started compiles what it runs are a small part, for the peer too.
const events = scaled(40_000);
const largeEvents = scaled(1_500);
const largeBytes = 50_000;
const peerEvents = scaled(10_000);
const steadyPerSecond = 300;
// The queue outlives the servers of this benchmark and knows for minutes which events it has had.
const [firstOfMix, firstLarge, firstSteady] = [0, 1_000_000, 2_000_000];
const steadyEvents = scaled(3_000);

async function runPeer(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const store = await openRowStore(join(directory, "rows.sqlite"));
  const bodies = mixedBodies(0, peerEvents);
  const startMs = performance.now();
  for (const body of bodies) await store.store(gunzipSync(body));
  const seconds = (performance.now() - startMs) / 1000;
  await store.close();
  await rm(directory, { recursive: true });
  return peerEvents / seconds;
}

/** Fills the queue while nobody works on it, then lets a whole server work until everything can be queried. */
function drainRate(stores: ErrorStores, first: number, count: number, options: ErrorMixOptions): Promise<number> {
  return withInstallation(stores.env, async (_, install) => {
    const edge = await install(["--only", "ingest"]);
    const ingest = await edge.start();
    const taken = takenOf(await (await createSender(edge, ingest))(mixedBodies(first, count, options)));
    await ingest.stop();

    const server = await (await install()).start();
    // It began while it was starting; what it had done by now does not count.
    const before = await storedEvents(server);
    const startMs = performance.now();
    const seconds = ((await drained(server, taken)) - startMs) / 1000;
    await server.stop();
    return (taken - before) / seconds;
  });
}

/** Time from receipt until an event can be queried, while events come at a steady rate. */
function visibleDelay(stores: ErrorStores): Promise<number> {
  return withInstallation(stores.env, async (_, install) => {
    const installation = await install();
    const server: SignalboxServer = await installation.start();
    const send = await createSender(installation, server);
    const warmUp = 500;
    await send(mixedBodies(firstSteady, warmUp));
    await drained(server, warmUp);
    const before = await scrape(server);
    const taken = takenOf(await send(mixedBodies(firstSteady + warmUp, steadyEvents), steadyPerSecond));
    await drained(server, warmUp + taken);
    const delay = quantileBetween(before, await scrape(server), "signalbox_error_tracking_visible_delay_seconds", 0.95);
    await server.stop();
    return delay;
  });
}

/** Accepted events become queryable: how many a second, against a tracker that keeps rows in SQLite. */
export const errorsDrain: Benchmark = {
  name: "errors-drain",
  proves: ["ET-901"],
  async run(report) {
    await onEachStores(async (stores) => {
      const rate = await drainRate(stores, firstOfMix, events, {});
      const peer = await runPeer();
      report({
        workload: `${events} waiting events of the mix (mean 8 kB, 200 errors, 7 platforms), ${stores.name}: queryable`,
        measured: { value: rate, unit: "events/s" },
        peer: { name: "rows in SQLite behind the same parser, one transaction for each event", value: peer },
        targetRatio: 3,
        target: 800,
      });
      report({
        workload: `${largeEvents} waiting events of ${largeBytes} bytes, ${stores.name}: queryable`,
        measured: { value: await drainRate(stores, firstLarge, largeEvents, { bytes: largeBytes }), unit: "events/s" },
        target: 300,
      });
      report({
        workload: `${steadyPerSecond} events/s of the mix, ${stores.name}: receipt until queryable, p95 (upper bound of its bucket)`,
        measured: { value: await visibleDelay(stores), unit: "s" },
        target: 3,
      });
    });
  },
};
