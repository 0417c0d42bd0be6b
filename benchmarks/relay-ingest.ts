import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeEvent } from "@signalbox/nostr";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { connectPipelined, isOk } from "./relay/client.js";
import { signedEvents } from "./relay/git-events.js";
import { type RelayProgram, startRelayProgram } from "./relay/start-program.js";

const events = scaled(20_000);
const repetitions = scaled(50_000);
const warmUp = 500;
const connections = 4;
/** Unanswered events of one connection, as a client that publishes a patch series. */
const atOnce = 32;

interface Ingest {
  readonly perSecond: number;
  readonly p99Ms: number;
}

async function ingest(url: string, texts: readonly string[]): Promise<Ingest> {
  const clients = await Promise.all(Array.from({ length: connections }, () => connectPipelined(url, isOk)));
  const startMs = performance.now();
  const times = await Promise.all(
    clients.map((client, place) =>
      client.sendAll(
        texts.filter((_, index) => index % connections === place),
        atOnce,
      ),
    ),
  );
  const seconds = (performance.now() - startMs) / 1_000;
  for (const client of clients) client.close();
  return { perSecond: texts.length / seconds, p99Ms: percentile(times.flat(), 0.99) };
}

async function withRelay<T>(
  name: "relay-program" | "minimal-relay",
  work: (relay: RelayProgram) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const relay = await startRelayProgram(name, join(directory, "relay.db"));
  try {
    return await work(relay);
  } finally {
    await relay.stop();
    await rm(directory, { recursive: true });
  }
}

/** Distinct signed events to a relay that acknowledges what is durable, and the same ones again. */
export const relayIngest: Benchmark = {
  name: "relay-ingest",
  proves: ["GR-900", "GR-901"],
  async run(report) {
    const texts = signedEvents(events + warmUp).map((event) => `["EVENT",${encodeEvent(event)}]`);
    const [warm, measured] = [texts.slice(0, warmUp), texts.slice(warmUp)];
    const repeated = Array.from({ length: repetitions }, (_, index) => measured[index % measured.length] ?? "");
    const ours = await withRelay("relay-program", async ({ url }) => {
      await ingest(url, warm);
      return { fresh: await ingest(url, measured), again: await ingest(url, repeated) };
    });
    const peer = await withRelay("minimal-relay", async ({ url }) => {
      await ingest(url, warm);
      return { fresh: await ingest(url, measured), again: await ingest(url, repeated) };
    });
    const name = "minimal relay: nostr-tools over the same database library";
    report({
      workload: `${events} distinct signed events over ${connections} connections, SQLite with synchronous=FULL`,
      measured: { value: ours.fresh.perSecond, unit: "events/s" },
      peer: { name, value: peer.fresh.perSecond },
      targetRatio: 2,
      target: 1_400,
      notes: { p99_ok_ms: Math.round(ours.fresh.p99Ms), peer_p99_ok_ms: Math.round(peer.fresh.p99Ms) },
    });
    report({
      workload: `${repetitions} known events over ${connections} connections`,
      measured: { value: ours.again.perSecond, unit: "events/s" },
      peer: { name: "the same relay with distinct events, which it has to verify", value: ours.fresh.perSecond },
      targetRatio: 4,
      target: 10_000,
      notes: { p99_ok_ms: Math.round(ours.again.p99Ms) },
    });
  },
};
