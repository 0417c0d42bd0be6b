import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { percentile } from "../harness.js";
import { connectPipelined, isOk } from "./client.js";
import { type RelayProgram, startRelayProgram } from "./start-program.js";

export const connections = 4;
/** Unanswered events of one connection, as a client that publishes a patch series. */
const atOnce = 32;

export interface Ingest {
  readonly perSecond: number;
  readonly p99Ms: number;
}

/** Sends events over several connections and waits for all answers. */
export async function ingest(url: string, texts: readonly string[]): Promise<Ingest> {
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

/** A relay on an empty file, while the work runs. */
export async function withRelay<T>(
  name: "relay-program" | "minimal-relay",
  work: (relay: RelayProgram) => Promise<T>,
  settings: Readonly<Record<string, string>> = {},
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const relay = await startRelayProgram(name, join(directory, "relay.db"), settings);
  try {
    return await work(relay);
  } finally {
    await relay.stop();
    await rm(directory, { recursive: true });
  }
}
