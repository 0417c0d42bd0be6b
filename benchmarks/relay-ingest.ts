import { encodeEvent } from "@signalbox/nostr";
import { type Benchmark, scaled } from "./harness.js";
import { signedEvents } from "./relay/git-events.js";
import { connections, type Ingest, ingest, withRelay } from "./relay/ingest.js";

const events = scaled(20_000);
const warmUp = 500;

/** Distinct signed events to a relay that acknowledges what is durable. */
export const relayIngest: Benchmark = {
  name: "relay-ingest",
  proves: ["GR-900"],
  async run(report) {
    const texts = signedEvents(events + warmUp).map((event) => `["EVENT",${encodeEvent(event)}]`);
    const [warm, measured] = [texts.slice(0, warmUp), texts.slice(warmUp)];
    const measure = (name: "relay-program" | "minimal-relay"): Promise<Ingest> =>
      withRelay(name, async ({ url }) => {
        await ingest(url, warm);
        return ingest(url, measured);
      });
    const ours = await measure("relay-program");
    const peer = await measure("minimal-relay");
    report({
      workload: `${events} distinct signed events over ${connections} connections, SQLite with synchronous=FULL`,
      measured: { value: ours.perSecond, unit: "events/s" },
      peer: { name: "minimal relay: nostr-tools over the same database library", value: peer.perSecond },
      targetRatio: 2,
      target: 1_400,
      notes: { p99_ok_ms: Math.round(ours.p99Ms), peer_p99_ok_ms: Math.round(peer.p99Ms) },
    });
  },
};
