import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Benchmark, scaled } from "./harness.js";
import { type RelayProgram, startProgram, startRelayProgram } from "./relay/start-program.js";
import { untilTrue } from "./relay/synced-server.js";

const peerCount = scaled(500);
const passes = 20;
const passEveryMs = 2_000;
const domain = "relay.invalid";

/** Processor time of the process so far, in ms. */
async function busyMs(relay: RelayProgram): Promise<number> {
  const { user, system }: NodeJS.CpuUsage = JSON.parse(await relay.ask("cpu"));
  return (user + system) / 1_000;
}

/** What the sync does every two seconds for peers with which nothing happens. */
export const relayPasses: Benchmark = {
  name: "relay-passes",
  proves: ["GR-334"],
  async run(report) {
    const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
    const peers = await startProgram("many-peers", [String(peerCount), "0", domain]);
    try {
      const urls: readonly string[] = JSON.parse(peers.firstLine);
      const relay = await startRelayProgram("relay-program", join(directory, "relay.db"), {
        "relay.domain": domain,
        "relay.sync.allow_private_targets": "true",
        "relay.sync.bootstrap_relays": urls.join(","),
      });
      await untilTrue(async () => {
        const statuses: readonly string[] = JSON.parse(await relay.ask("peers"));
        return statuses.filter((status) => status === "connected").length === peerCount;
      }, 1_000);
      // What the first sync left to be done.
      await new Promise((resolve) => setTimeout(resolve, 5 * passEveryMs));
      const before = await busyMs(relay);
      await new Promise((resolve) => setTimeout(resolve, passes * passEveryMs));
      const after = await busyMs(relay);
      await relay.stop();
      report({
        workload: `processor time of a pass over ${peerCount} peers in sync, with all else that the idle process does`,
        measured: { value: (after - before) / passes, unit: "ms" },
        target: 5,
      });
    } finally {
      await peers.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
};
