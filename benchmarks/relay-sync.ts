import { type Conversation, connectRelay, makeConversation } from "@signalbox/testing/nostr";
import { type Benchmark, scaled } from "./harness.js";
import { type CountingProxy, startCountingProxy } from "./relay/counting-proxy.js";
import { installRelayServer, type RelayServer, untilTrue } from "./relay/synced-server.js";

const repositories = scaled(100);
/** Per repository: an announcement, a state, five roots, and replies to each up to a hundred events. */
const roots = 5;
const replies = 18.6;
const missing = 10;
/** A name that leads nowhere, so that the counted way stays the only one. */
const sourceName = "source.invalid";

interface Synced {
  readonly seconds: number;
  readonly bytes: number;
}

function conversations(host: string, relay: string): Conversation[] {
  return Array.from({ length: repositories }, (_, index) =>
    makeConversation({
      identifier: `repository-${index}`,
      hosts: [sourceName, host],
      relays: [relay],
      roots,
      // 18 or 19, so that there are a hundred on average.
      replies: Math.floor(replies * (index + 1)) - Math.floor(replies * index),
    }),
  );
}

/** From the start of the process until everything is there and the peer is in status 3. */
async function syncOnce(syncing: RelayServer, proxy: CountingProxy, events: number): Promise<Synced> {
  proxy.takeBytes();
  const startMs = performance.now();
  await syncing.start();
  await untilTrue(async () => (await syncing.byPeer("ngit_sync_relay_connected")).get(`ws://${proxy.host}`) === 3);
  const seconds = (performance.now() - startMs) / 1_000;
  const bytes = proxy.takeBytes();
  const client = await connectRelay(syncing.url);
  const stored = (await client.query({})).length;
  client.close();
  if (stored !== events) throw new Error(`${stored} of ${events} events are there`);
  return { seconds, bytes };
}

/** A new relay catches up with another one, and later again with the little that is missing. */
export const relaySync: Benchmark = {
  name: "relay-sync",
  proves: ["GR-905"],
  async run(report) {
    const source = await installRelayServer({ DOMAIN: sourceName });
    const proxy = await startCountingProxy(Number(source.host.split(":")[1]));
    const settings = { SYNC_BOOTSTRAP_RELAYS: `ws://${proxy.host}` };
    const reconciling = await installRelayServer(settings);
    const paging = await installRelayServer({ ...settings, DOMAIN: reconciling.host, SYNC_NEGENTROPY: "false" });
    try {
      await source.start();
      const events = conversations(reconciling.host, `ws://${proxy.host}`).flatMap(
        (conversation) => conversation.events,
      );
      const client = await connectRelay(source.url);
      await client.publish(events.slice(0, -missing));
      const fresh = await syncOnce(reconciling, proxy, events.length - missing);
      await reconciling.stop();
      const paged = await syncOnce(paging, proxy, events.length - missing);
      await paging.stop();
      await client.publish(events.slice(-missing));
      client.close();
      const again = await syncOnce(reconciling, proxy, events.length);

      report({
        workload: `${events.length} git events from a second instance, by reconciliation, from the start of the process`,
        measured: { value: fresh.seconds, unit: "s" },
        target: 30,
        notes: { kB_on_the_wire: Math.round(fresh.bytes / 1_000), repositories, roots: repositories * roots },
      });
      report({
        workload: `${events.length} git events from a second instance, in pages, from the start of the process`,
        measured: { value: paged.seconds, unit: "s" },
        target: 45,
        notes: { kB_on_the_wire: Math.round(paged.bytes / 1_000) },
      });
      report({
        workload: `${missing} missing of ${events.length}, by reconciliation of everything at a start`,
        measured: { value: again.bytes / 1_000, unit: "kB" },
        peer: { name: "the same events in pages", value: paged.bytes / 1_000 },
        target: 200,
        targetRatio: 0.05,
        notes: { seconds: Math.round(again.seconds * 10) / 10 },
      });
    } finally {
      await proxy.close();
      for (const server of [reconciling, paging, source]) await server.remove();
    }
  },
};
