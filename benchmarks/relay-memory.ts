import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import { eventStoreMigrations } from "@signalbox/event-store";
import { createSqlRelayEvents, relayMigrations } from "@signalbox/git-relay";
import { systemClock } from "@signalbox/kernel";
import type { VerifiedEvent } from "@signalbox/nostr";
import { WebSocket } from "ws";
import { type Benchmark, scaled } from "./harness.js";
import { announcedWorld, gitWorld } from "./relay/git-events.js";
import { type RelayProgram, startProgram, startRelayProgram } from "./relay/start-program.js";
import { untilTrue } from "./relay/synced-server.js";

const stored = scaled(500_000);
const peerCount = 100;
const idleConnections = scaled(1_000);
const repositories = scaled(5_000);
const roots = scaled(20_000);
const domain = "relay.invalid";
const MiB = 2 ** 20;

async function fill(path: string, events: Iterable<VerifiedEvent>): Promise<void> {
  const database = await openDatabase({ path });
  await migrate(database, [eventStoreMigrations, relayMigrations]);
  const store = createSqlRelayEvents({ database, clock: systemClock });
  let batch: VerifiedEvent[] = [];
  const write = async (): Promise<void> => {
    const origin = { source: "client", correlationId: "benchmark" } as const;
    await store.write((unit) => unit.store(batch.map((event) => ({ event, origin, anchor: true }))));
    batch = [];
  };
  for (const event of events) {
    batch.push(event);
    if (batch.length === 500) await write();
  }
  await write();
  await database.close();
}

interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
}

/** After garbage was collected some times: what is left is needed. */
async function memoryOf(relay: RelayProgram): Promise<Memory> {
  const samples: Memory[] = [];
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    samples.push(JSON.parse(await relay.ask("memory")));
  }
  return {
    rss: Math.min(...samples.map(({ rss }) => rss)),
    heapUsed: Math.min(...samples.map(({ heapUsed }) => heapUsed)),
  };
}

/** Resolves when the relay has caught up with all of them. */
async function allConnected(relay: RelayProgram): Promise<void> {
  await untilTrue(async () => {
    const statuses: readonly string[] = JSON.parse(await relay.ask("peers"));
    return statuses.filter((status) => status === "connected").length === peerCount;
  }, 500);
}

async function connectIdle(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** What a relay keeps in memory of its events, its peers and those who are connected. */
export const relayMemory: Benchmark = {
  name: "relay-memory",
  proves: ["GR-909"],
  async run(report) {
    const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
    const peers = await startProgram("many-peers", [String(peerCount), "0", domain]);
    const urls: readonly string[] = JSON.parse(peers.firstLine);
    const settings = { "relay.domain": domain, "relay.sync.allow_private_targets": "true" };
    const running: RelayProgram[] = [];
    const start = async (...args: Parameters<typeof startRelayProgram>): Promise<RelayProgram> => {
      const relay = await startRelayProgram(...args);
      running.push(relay);
      return relay;
    };
    try {
      const large = join(directory, "large.db");
      await fill(large, gitWorld(stored).events());
      const relay = await start("relay-program", large, {
        ...settings,
        "relay.listen": "127.0.0.1:0",
        "relay.sync.bootstrap_relays": urls.join(","),
      });
      await allConnected(relay);
      const before = await memoryOf(relay);
      const sockets = await Promise.all(Array.from({ length: idleConnections }, () => connectIdle(relay.url)));
      const after = await memoryOf(relay);
      for (const socket of sockets) socket.terminate();
      await relay.stop();
      report({
        workload: `${stored} events, ${peerCount} peers in sync, ${idleConnections} idle connections`,
        measured: { value: after.rss / MiB, unit: "MiB resident" },
        target: 300,
        notes: { without_connections_MiB: Math.round(before.rss / MiB), heap_MiB: Math.round(after.heapUsed / MiB) },
      });
      report({
        workload: `one idle connection, of ${idleConnections}`,
        measured: { value: (after.rss - before.rss) / idleConnections / 1_000, unit: "kB" },
        target: 40,
      });

      const heapWith = async (name: string, events: Iterable<VerifiedEvent>): Promise<number> => {
        const path = join(directory, `${name}.db`);
        await fill(path, events);
        const syncing = await start("relay-program", path, {
          ...settings,
          "relay.sync.bootstrap_relays": urls.join(","),
        });
        await allConnected(syncing);
        const { heapUsed } = await memoryOf(syncing);
        await syncing.stop();
        return heapUsed;
      };
      const announced = announcedWorld({ repositories, roots, relays: urls, relaysOfEach: 5, domain });
      const wanted = await heapWith("announced", announced);
      const nothing = await heapWith("empty", []);
      report({
        workload: `what the sync keeps of ${repositories} repositories and ${roots} root events, each wanted of 5 of ${peerCount} peers and proven synced`,
        measured: { value: (wanted - nothing) / MiB, unit: "MiB of heap" },
        target: 20,
        notes: { heap_with_peers_only_MiB: Math.round(nothing / MiB) },
      });
    } finally {
      for (const relay of running) await relay.stop();
      await peers.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
};
