import { spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "@signalbox/kernel";
import { encodeNpub, kinds, type NostrEvent } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, signState, testSigner } from "@signalbox/nostr/testing";
import { findServer, requireServers } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { WebSocketServer } from "ws";
import { connectRaw } from "./testing/raw-client.js";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

/** Name → type, labels. What dashboards and alerts are built on; nothing else may begin with `ngit_`. */
const table: Readonly<Record<string, readonly [type: string, ...labels: string[]]>> = {
  ngit_sync_relay_connected: ["gauge", "relay"],
  ngit_sync_connection_attempts_total: ["counter", "relay", "result"],
  ngit_sync_relay_status: ["gauge", "relay"],
  ngit_sync_relay_failures: ["gauge", "relay"],
  ngit_sync_events_synced_total: ["counter"],
  ngit_sync_relays_tracked_total: ["gauge"],
  ngit_sync_relays_connected_total: ["gauge"],
  ngit_sync_relays_dead_total: ["gauge"],
  ngit_sync_rejected_hot_cache_current: ["gauge", "event_type"],
  ngit_sync_rejected_cold_index_current: ["gauge", "event_type"],
  ngit_sync_rejected_hot_cache_hits_total: ["counter", "event_type"],
  ngit_sync_rejected_hot_cache_misses_total: ["counter", "event_type"],
  ngit_sync_rejected_hot_cache_expired_total: ["counter", "event_type"],
  ngit_sync_rejected_cold_index_expired_total: ["counter", "event_type"],
  ngit_sync_rejected_invalidated_total: ["counter", "event_type"],
  ngit_sync_naughty_relays_total: ["gauge", "category"],
  ngit_websocket_connections_total: ["counter"],
  ngit_websocket_connections_active: ["gauge"],
  ngit_websocket_unique_ips: ["gauge"],
  ngit_websocket_flagged_abusers: ["gauge"],
  ngit_websocket_connection_duration_seconds: ["histogram"],
  ngit_websocket_messages_received_total: ["counter", "type"],
  ngit_websocket_messages_sent_total: ["counter", "type"],
  ngit_events_received_total: ["counter", "kind"],
  ngit_events_stored_total: ["counter", "kind"],
  ngit_events_rejected_total: ["counter", "kind", "reason"],
  ngit_repositories_total: ["gauge"],
  ngit_build_info: ["gauge", "version", "commit"],
  ngit_uptime_seconds: ["gauge"],
  signalbox_relay_sync_events_received_total: ["counter", "relay", "disposition"],
  signalbox_relay_sync_batch_seconds: ["histogram", "layer", "method"],
  signalbox_relay_sync_batches_total: ["counter", "layer", "method", "result"],
  signalbox_relay_sync_pending_batches: ["gauge", "relay"],
  signalbox_relay_sync_last_success_timestamp_seconds: ["gauge", "relay"],
  signalbox_relay_sync_complete: ["gauge", "relay", "layer"],
  signalbox_relay_sync_missing_events: ["gauge", "relay", "layer"],
  signalbox_relay_metrics_peers_omitted: ["gauge"],
  signalbox_relay_query_seconds: ["histogram", "verb"],
  signalbox_relay_store_commit_seconds: ["histogram"],
};
const perPeer = Object.keys(table).filter((name) => table[name]?.includes("relay"));

interface Scrape {
  readonly text: string;
  readonly types: ReadonlyMap<string, string>;
  /** Value by the series' text. */
  readonly samples: ReadonlyMap<string, number>;
}

const owner = testSigner("owner");
const friend = testSigner("friend");
const domain = "here.example";
const days8 = 8 * 86_400_000;
/** A week later, all at once: what a peer's day of failures and the end of what is remembered are seen by. */
const laterClock: Clock = {
  ...systemClock,
  nowMs: () => Date.now() + days8,
  monotonicMs: () => systemClock.monotonicMs(),
  setTimer: (delayMs, callback) => systemClock.setTimer(delayMs, callback),
  sleep: (delayMs, options) => systemClock.sleep(delayMs, options),
};

describe("what a scraper sees of a running relay", () => {
  const ends: (() => unknown)[] = [];
  const scrapes: Scrape[] = [];
  let started: Scrape;
  let source: TestRelay;

  /** Lives through everything that has a series, scraped on the way. */
  beforeAll(async () => {
    source = await startTestRelay({ name: "the source" });
    ends.push(() => source.destroy());
    const [webPage, talker] = [await serveWebPage(), await serveRateLimit()];
    const noPeer = "ws://127.0.0.1:1";
    const announcement = announce([source.url]);
    const refusedState = signState(friend, "shop", {}, 5);
    const refused = signAnnouncement(friend, { identifier: "mill", domains: ["elsewhere.example"] });
    for (const event of [announcement, refusedState, refused, issue("one")]) await accept(source, event);

    const relaySettings = {
      domain,
      profile: "grasp",
      auth: { challenge_on_connect: false },
      limits: { abuse_threshold: 1 },
      sync: { enabled: true, allow_private_targets: true, batch_window_ms: 50, base_backoff_s: 1 },
    };
    const relay = await startTestRelay({ relay: relaySettings });
    ends.push(() => relay.destroy());
    const look = async (of = relay): Promise<Scrape> => {
      const scraped = parse((await of.metrics.exposition()).body);
      if (of === relay) scrapes.push(scraped);
      return scraped;
    };
    started = await look();

    // Peers of every kind become known by an announcement.
    await accept(relay, announce([source.url, webPage, talker, noPeer], 2));
    const shown = async (series: string, value: number): Promise<void> => {
      await vi.waitFor(async () => expect((await look()).samples.get(series)).toBe(value), {
        timeout: 30_000,
        interval: 100,
      });
    };
    await shown(`ngit_sync_relay_connected{relay="${source.url}"}`, 3);
    await shown(`ngit_sync_relay_status{relay="${talker}"}`, 5);
    await shown('ngit_sync_naughty_relays_total{category="protocol_error"}', 1);
    await shown('ngit_sync_rejected_hot_cache_current{event_type="state"}', 1);
    // A maintainer joins, so what was refused of it is accepted after all.
    await accept(relay, announce([source.url, webPage, talker, noPeer], 3, [friend.publicKey]));
    await shown('ngit_sync_rejected_hot_cache_hits_total{event_type="state"}', 1);

    const clients = [await connectRaw(relay.url), await connectRaw(relay.url)];
    const [client] = clients;
    client?.send(["EVENT", issue("two")]);
    await client?.next(([type]) => type === "OK");
    client?.send(["EVENT", signEvent(owner, { kind: kinds.issue, content: "about nothing" })]);
    await client?.next(([type]) => type === "OK");
    client?.send(["REQ", "r", { kinds: [kinds.issue] }]);
    client?.send(["COUNT", "c", {}]);
    client?.send(["NEG-OPEN", "n", {}, "6100000200"]);
    await client?.next(([type]) => type === "NEG-MSG");
    await shown("ngit_websocket_flagged_abusers", 1);
    for (const one of clients) await one.close();
    await shown("ngit_websocket_connections_active", 0);
    await relay.stop();

    const later = await startTestRelay({
      directory: relay.directory,
      clock: laterClock,
      relay: { ...relaySettings, metrics: { max_peers: 2 } },
    });
    ends.push(() => later.stop());
    await vi.waitFor(async () => expect((await look(later)).samples.get("ngit_sync_relays_dead_total")).toBe(2), {
      timeout: 30_000,
    });
    scrapesLater = await look(later);
  }, 120_000);
  let scrapesLater: Scrape;

  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  });

  /** Closed when all is over. */
  async function listen(server: Server): Promise<string> {
    ends.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const serveWebPage = (): Promise<string> => {
    const page = createServer((_, response) => void response.end("a page"));
    page.on("upgrade", (_, socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    return listen(page);
  };
  const serveRateLimit = async (): Promise<string> => {
    const server = createServer((_, response) => void response.writeHead(404).end());
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket) => socket.send('["NOTICE","rate-limited: slow down"]'));
    ends.push(() => {
      for (const socket of sockets.clients) socket.terminate();
    });
    return listen(server);
  };

  test("GR-430 names, types and labels are those of the table", () => {
    const last = scrapes.at(-1) ?? started;
    for (const [name, [type, ...labels]] of Object.entries(table)) {
      expect([name, last.types.get(name)]).toEqual([name, type]);
      for (const series of seriesOf(last, name)) expect([name, labelsOf(series)]).toEqual([name, labels]);
      expect([name, seriesOf(last, name).length > 0]).toEqual([name, true]);
    }
    expect([...last.types.keys()].filter((name) => name.startsWith("ngit_") && !(name in table))).toEqual([]);
  });

  test("GR-430 everything is there from the start, at 0", () => {
    const valued = new Set(["ngit_build_info", "ngit_uptime_seconds"]);
    for (const name of Object.keys(table).filter((one) => !perPeer.includes(one))) {
      const series = seriesOf(started, name);
      expect([name, series.length > 0]).toEqual([name, true]);
      if (!valued.has(name)) for (const one of series) expect([one, started.samples.get(one)]).toEqual([one, 0]);
    }
    for (const name of perPeer) expect([name, seriesOf(started, name)]).toEqual([name, []]);
  });

  test("GR-430 each of them moves", () => {
    const untouched = Object.keys(table).filter(
      (name) =>
        ![...scrapes, scrapesLater].some((scrape) =>
          seriesOf(scrape, name).some((series) => (scrape.samples.get(series) ?? 0) > 0),
        ),
    );
    // Nothing was missing at a peer that delivers all that it has.
    expect(untouched).toEqual(["signalbox_relay_sync_missing_events"]);
  });

  test("GR-430 counters never fall", () => {
    for (const [index, scrape] of scrapes.entries()) {
      const before = scrapes[index - 1];
      if (!before) continue;
      for (const [series, value] of before.samples) {
        const name = /^[a-z_]+/.exec(series)?.[0] ?? "";
        if (scrape.types.get(name) !== "counter") continue;
        expect([series, (scrape.samples.get(series) ?? -1) >= value]).toEqual([series, true]);
      }
    }
    expect(scrapes.length).toBeGreaterThan(5);
  });

  const needed = requireServers(["promtool"]);
  test.skipIf(needed.skip)(
    needed.title("GR-430 promtool understands every scrape and remarks only on gauges that are called a total"),
    async () => {
      for (const { text } of [started, scrapes.at(-1) ?? started, scrapesLater]) {
        const { code, output } = await checkMetrics(text);
        expect([0, 3]).toContain(code);
        const remarks = output.split("\n").filter((line) => /^(ngit|signalbox_relay)_/.test(line));
        expect(
          remarks.filter((line) => !/_total non-counter metrics should not have "_total" suffix/.test(line)),
        ).toEqual([]);
      }
    },
  );
});

function announce(relays: readonly string[], createdAt = 1, maintainers: readonly string[] = []): NostrEvent {
  return signEvent(owner, {
    kind: kinds.announcement,
    created_at: createdAt,
    tags: [
      ["d", "shop"],
      ["clone", `https://${domain}/${encodeNpub(owner.publicKey)}/shop.git`],
      ["relays", `wss://${domain}`, ...relays],
      ["maintainers", ...maintainers, owner.publicKey],
    ],
  });
}

function issue(content: string): NostrEvent {
  return signEvent(owner, { kind: kinds.issue, tags: [repositoryTag(owner, "shop")], content });
}

async function accept({ relay }: TestRelay, event: NostrEvent): Promise<void> {
  const verdict = await relay.eventIntake.accept(event, {
    origin: { source: "client", correlationId: "C" },
    authenticated: new Set(),
  });
  if (verdict.kind !== "saved") throw new Error(`an event was not stored: ${JSON.stringify(verdict)}`);
}

function parse(text: string): Scrape {
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== undefined && type !== undefined) types.set(name, type);
    const [, series, value] = /^([^#].*) (\S+)$/.exec(line) ?? [];
    if (series !== undefined) samples.set(series, Number(value));
  }
  return { text, types, samples };
}

/** Series of a metric; of a histogram those of its count. */
function seriesOf({ samples, types }: Scrape, name: string): string[] {
  const shown = types.get(name) === "histogram" ? `${name}_count` : name;
  return [...samples.keys()].filter((series) => series === shown || series.startsWith(`${shown}{`));
}

function labelsOf(series: string): string[] {
  return [...series.matchAll(/(\w+)="/g)].map(([, label = ""]) => label);
}

function checkMetrics(text: string): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(findServer("promtool") ?? "promtool", ["check", "metrics"]);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
    child.stdin.end(text);
  });
}
