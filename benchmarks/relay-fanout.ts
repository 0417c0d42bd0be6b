import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSubscriptionIndex } from "@signalbox/git-relay";
import { encodeEvent, type Filter, matchesFilter, readFilter, type VerifiedEvent } from "@signalbox/nostr";
import { WebSocket } from "ws";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { signedEvents } from "./relay/git-events.js";
import { startRelayProgram } from "./relay/start-program.js";

const subscriptions = 1_000;
const perConnection = 50;
const perSecond = 500;
const events = scaled(5_000);
const matched = scaled(20_000);

/** Two subscriptions match each event: those for the conversation that it belongs to. */
function filtersFor(all: readonly VerifiedEvent[]): { "#e": string[] }[] {
  const roots = [
    ...new Set(all.flatMap((event) => event.tags.filter(([name]) => name === "e").map(([, id = ""]) => id))),
  ];
  return Array.from({ length: subscriptions }, (_, index) => ({ "#e": [roots[index % roots.length] ?? ""] }));
}

async function connect(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** From the answer to the writer until each subscriber has the event, in ms; below zero when the subscriber was first. */
async function deliver(url: string, all: readonly VerifiedEvent[]): Promise<number[]> {
  const heard: { id: string; atMs: number }[] = [];
  const acknowledgedMs = new Map<string, number>();
  const filters = filtersFor(all);
  const listeners = await Promise.all(Array.from({ length: subscriptions / perConnection }, () => connect(url)));
  for (const [place, socket] of listeners.entries()) {
    socket.on("message", (data) => {
      const text = String(data);
      if (text.startsWith('["EVENT"'))
        heard.push({ id: text.slice(text.indexOf('"id":"') + 6).slice(0, 64), atMs: performance.now() });
    });
    for (const [index, filter] of filters.slice(place * perConnection, (place + 1) * perConnection).entries())
      socket.send(JSON.stringify(["REQ", `s${index}`, { ...filter, limit: 0 }]));
  }
  const writer = await connect(url);
  writer.on("message", (data) => acknowledgedMs.set(JSON.parse(String(data))[1], performance.now()));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const startMs = performance.now();
  for (const [index, event] of all.entries()) {
    const waitMs = startMs + (index * 1_000) / perSecond - performance.now();
    if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
    writer.send(`["EVENT",${encodeEvent(event)}]`);
  }
  while (acknowledgedMs.size < all.length || heard.length < 2 * all.length)
    await new Promise((resolve) => setTimeout(resolve, 20));
  for (const socket of [writer, ...listeners]) socket.terminate();
  return heard.map(({ id, atMs }) => atMs - (acknowledgedMs.get(id) ?? 0));
}

/** Events matched a second: through the index, and by a look at every filter. */
function matchRates(all: readonly VerifiedEvent[]): { readonly indexed: number; readonly linear: number } {
  const listeners = filtersFor(all).map((json): { filters: Filter[] } => {
    const read = readFilter(json);
    if (read.kind !== "filter") throw new Error(read.reason);
    return { filters: [read.filter] };
  });
  const index = createSubscriptionIndex<(typeof listeners)[number]>();
  for (const listener of listeners) index.add(listener);
  const rate = (find: (event: VerifiedEvent) => number): number => {
    const startMs = performance.now();
    let found = 0;
    for (let place = 0; place < matched; place++) found += find(all[place % all.length] ?? neverEvent());
    if (found !== 2 * matched) throw new Error(`${found} matches instead of ${2 * matched}`);
    return (matched * 1_000) / (performance.now() - startMs);
  };
  return {
    linear: rate(
      (event) => listeners.filter(({ filters }) => filters.some((filter) => matchesFilter(filter, event))).length,
    ),
    indexed: rate((event) => index.matching(event).length),
  };
}

function neverEvent(): never {
  throw new Error("there are no events");
}

/** Live events to a thousand subscriptions. */
export const relayFanout: Benchmark = {
  name: "relay-fanout",
  proves: ["GR-903"],
  async run(report) {
    const all = signedEvents(Math.max(events, 500));
    const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
    const relay = await startRelayProgram("relay-program", join(directory, "relay.db"));
    const delays = await deliver(relay.url, all);
    await relay.stop();
    await rm(directory, { recursive: true });
    report({
      workload: `${subscriptions} subscriptions, ${perSecond} events/s, 2 matches each: OK to delivery, 99th percentile`,
      measured: { value: percentile(delays, 0.99), unit: "ms" },
      target: 50,
      notes: { p50_ms: Number(percentile(delays, 0.5).toFixed(2)) },
    });
    const { indexed, linear } = matchRates(all);
    report({
      workload: `finding the 2 of ${subscriptions} subscriptions that an event matches`,
      measured: { value: indexed, unit: "events/s" },
      peer: { name: "a look at every filter", value: linear },
      targetRatio: 10,
    });
  },
};
