import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { eventStoreMigrations } from "@signalbox/event-store";
import { createSqlRelayEvents, relayMigrations } from "@signalbox/git-relay";
import { systemClock } from "@signalbox/kernel";
import { encodeEvent, type VerifiedEvent } from "@signalbox/nostr";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { connectPipelined, isEose } from "./relay/client.js";
import { createRandom, type GitWorld, gitWorld } from "./relay/git-events.js";
import { createMinimalTables } from "./relay/minimal-tables.js";
import { type RelayProgram, startRelayProgram } from "./relay/start-program.js";

const stored = scaled(500_000);
const queries = scaled(2_000);
const origin = { source: "client", correlationId: "benchmark" } as const;

/** What clients and peers ask for: everything of a kind, of some repositories, of some conversations. */
function mixedFilters(world: GitWorld, count: number): object[] {
  const random = createRandom(9);
  const some = (list: readonly string[], most: number): string[] =>
    Array.from({ length: 1 + Math.floor(random() * most) }, () => list[Math.floor(random() * list.length)] ?? "");
  const kinds: (() => object)[] = [
    () => ({ kinds: [30_617, 10_317], limit: 100 }),
    () => ({ kinds: [30_618], "#d": some(world.identifiers, 20) }),
    () => ({ "#a": some(world.repositories, 10), limit: 100 }),
    () => ({ "#e": some(world.roots, 20), limit: 200 }),
    () => ({ kinds: [1111], authors: some(world.authors, 5), limit: 50 }),
    () => ({ "#a": some(world.repositories, 1), kinds: [1621], limit: 20 }),
  ];
  return Array.from({ length: count }, (_, index) => kinds[index % kinds.length]?.() ?? {});
}

/** What costs much and finds little: thousands of values, conditions that no index serves together, everything. */
function hardQuestions(world: GitWorld): (readonly [verb: "REQ" | "COUNT", filter: object])[] {
  const { authors, repositories, roots } = world;
  const [writer, owner] = [authors[0] ?? "", repositories[0]?.split(":")[1] ?? ""];
  const silent = authors.at(-1) ?? "";
  const manyKinds = Array.from({ length: 400 }, (_, index) => 40_000 + index);
  return [
    ["REQ", { "#p": [owner], authors: [silent] }],
    ["REQ", { "#a": repositories.slice(0, 5), kinds: [30_617] }],
    ["REQ", { authors: [writer], kinds: [...manyKinds, 7] }],
    ["REQ", { kinds: manyKinds }],
    ["REQ", { "#p": authors.slice(0, 600), "#e": roots.slice(0, 1_300) }],
    ["REQ", { "#e": roots.slice(0, 2_000) }],
    ["REQ", { authors, kinds: [1, 7], until: 1_700_000_000 }],
    ["REQ", { "#a": repositories.slice(0, 1_900), "#t": ["nothing"] }],
    ["COUNT", { kinds: [1111] }],
    ["COUNT", { "#p": authors.slice(0, 750) }],
    ["COUNT", {}],
  ];
}

async function fill(path: string, world: GitWorld, store: Store): Promise<void> {
  const database = await openDatabase({ path });
  const write = await store(database);
  let batch: VerifiedEvent[] = [];
  for (const event of world.events()) {
    batch.push(event);
    if (batch.length < 500) continue;
    await write(batch);
    batch = [];
  }
  await write(batch);
  await database.close();
}

type Store = (database: Database) => Promise<(events: readonly VerifiedEvent[]) => Promise<void>>;

const storeOurs: Store = async (database) => {
  await migrate(database, [eventStoreMigrations, relayMigrations]);
  const events = createSqlRelayEvents({ database, clock: systemClock });
  return (batch) => events.write((unit) => unit.store(batch.map((event) => ({ event, origin, anchor: true }))));
};

const storeMinimal: Store = async (database) => {
  await createMinimalTables(database);
  return async (batch) => {
    await database.runMany(
      "insert into events values (?, ?, ?, ?, ?)",
      batch.map((event) => [event.id, event.pubkey, event.kind, event.created_at, encodeEvent(event)]),
    );
    await database.runMany(
      "insert into tags values (?, ?, ?)",
      batch.flatMap((event) =>
        event.tags
          .filter(([name, value]) => name?.length === 1 && value !== undefined)
          .map(([name, value]) => [`${name}:${value}`, event.id, event.created_at]),
      ),
    );
  };
};

async function ask(url: string, filters: readonly object[], atOnce: number) {
  const client = await connectPipelined(url, isEose);
  const texts = filters.map((filter) => JSON.stringify(["REQ", "q", filter]));
  const startMs = performance.now();
  const times = await client.sendAll(texts, atOnce);
  const perSecond = (filters.length * 1_000) / (performance.now() - startMs);
  client.close();
  return { perSecond, p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

/** How long the relay did nothing else at a time, at most, while it answered the hard questions. */
async function askHard(relay: RelayProgram, world: GitWorld): Promise<number> {
  const client = await connectPipelined(relay.url, (text) => isEose(text) || text.startsWith('["COUNT"'));
  const texts = hardQuestions(world).map(([verb, filter], index) => JSON.stringify([verb, `q${index}`, filter]));
  await relay.ask("busy");
  for (let round = 0; round < 3; round++) await client.sendAll(texts, 4);
  client.close();
  return JSON.parse(await relay.ask("busy"));
}

async function measure(name: "relay-program" | "minimal-relay", world: GitWorld, store: Store) {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
  const path = join(directory, "relay.db");
  await fill(path, world, store);
  const relay = await startRelayProgram(name, path);
  const large = Array.from({ length: Math.min(200, queries) }, () => ({ kinds: [1111], limit: 500 }));
  const small = mixedFilters(world, queries)
    .filter((_, index) => index % 6 === 5)
    .map((filter) => ({ ...filter, limit: 20 }));
  await ask(relay.url, mixedFilters(world, Math.min(100, queries)), 1);
  const result = {
    mixed: await ask(relay.url, mixedFilters(world, queries), 1),
    large: await ask(relay.url, large, 1),
    small: await ask(relay.url, small, 1),
    longestTurnMs: name === "relay-program" ? await askHard(relay, world) : Number.NaN,
  };
  await relay.stop();
  await rm(directory, { recursive: true });
  return result;
}

/** Stored events of git collaboration, found by the filters that clients and peers use. */
export const relayQuery: Benchmark = {
  name: "relay-query",
  proves: ["GR-902", "GR-064"],
  async run(report) {
    const world = gitWorld(stored);
    const ours = await measure("relay-program", world, storeOurs);
    const peer = await measure("minimal-relay", world, storeMinimal);
    const name = "minimal relay: one statement a filter on the same database library";
    report({
      workload: `mixed filters over ${stored} events, one after the other`,
      measured: { value: ours.mixed.perSecond, unit: "queries/s" },
      peer: { name, value: peer.mixed.perSecond },
      targetRatio: 1.5,
      notes: { p99_ms: Number(ours.mixed.p99.toFixed(1)), peer_p99_ms: Number(peer.mixed.p99.toFixed(1)) },
    });
    report({
      workload: `request to EOSE with 500 of ${stored} events, median`,
      measured: { value: ours.large.p50, unit: "ms" },
      peer: { name, value: peer.large.p50 },
      target: 8,
      notes: { p99_ms: Number(ours.large.p99.toFixed(1)) },
    });
    report({
      workload: `request to EOSE with at most 20 of ${stored} events, 99th percentile`,
      measured: { value: ours.small.p99, unit: "ms" },
      peer: { name, value: peer.small.p99 },
      target: 5,
    });
    report({
      workload: `longest time that nothing else was done while hard questions were asked of ${stored} events`,
      measured: { value: ours.longestTurnMs, unit: "ms" },
      target: 50,
    });
  },
};
