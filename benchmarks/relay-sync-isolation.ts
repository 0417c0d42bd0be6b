import { type Benchmark, percentile, scaled } from "./harness.js";
import { startProgram } from "./relay/start-program.js";
import { installRelayServer, untilTrue } from "./relay/synced-server.js";

const good = 10;
const bad = 50;
const rounds = scaled(5);

/** What the syncing relay is announced as. */
const ownName = "relay.invalid";

/** How long it takes from the start of the process until each of the good peers is in status 3; the median of them. */
async function timeToConnected(badPeers: number): Promise<number> {
  const peers = await startProgram("many-peers", [String(good), String(badPeers), ownName]);
  const urls: readonly string[] = JSON.parse(peers.firstLine);
  const goodUrls = urls.slice(0, good);
  const syncing = await installRelayServer({ DOMAIN: ownName, SYNC_BOOTSTRAP_RELAYS: urls.join(",") });
  try {
    const connectedMs = new Map<string, number>();
    const startMs = performance.now();
    await syncing.start();
    await untilTrue(async () => {
      const statuses = await syncing.byPeer("ngit_sync_relay_connected");
      for (const url of goodUrls)
        if (statuses.get(url) === 3 && !connectedMs.has(url)) connectedMs.set(url, performance.now() - startMs);
      return connectedMs.size === good;
    });
    return percentile([...connectedMs.values()], 0.5) / 1_000;
  } finally {
    await syncing.remove();
    await peers.stop();
  }
}

/** What peers that say nothing, or want us to slow down, cost those that answer. */
export const relaySyncIsolation: Benchmark = {
  name: "relay-sync-isolation",
  proves: ["GR-906"],
  async run(report) {
    const alone: number[] = [];
    const together: number[] = [];
    // In turn, so that what else the machine does meets both alike.
    for (let round = 0; round < rounds; round++) {
      alone.push(await timeToConnected(0));
      together.push(await timeToConnected(bad));
    }
    report({
      workload: `${good} good peers to status 3 beside ${bad} silent or rate-limiting ones, from the start of the process`,
      measured: { value: percentile(together, 0.5), unit: "s" },
      peer: { name: "the same without the bad peers", value: percentile(alone, 0.5) },
      targetRatio: 1.1,
      notes: { rounds, slowest_s: Math.max(...together), slowest_alone_s: Math.max(...alone) },
    });
  },
};
