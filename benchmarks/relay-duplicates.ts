import { encodeEvent } from "@signalbox/nostr";
import { type Benchmark, scaled } from "./harness.js";
import { signedEvents } from "./relay/git-events.js";
import { connections, type Ingest, ingest, withRelay } from "./relay/ingest.js";

const distinct = scaled(5_000);
const repetitions = scaled(50_000);

/** Events that the relay has already, as they come from many peers: it should know them before it verifies them. */
export const relayDuplicates: Benchmark = {
  name: "relay-duplicates",
  proves: ["GR-901"],
  async run(report) {
    const texts = signedEvents(distinct).map((event) => `["EVENT",${encodeEvent(event)}]`);
    const repeated = Array.from({ length: repetitions }, (_, index) => texts[index % texts.length] ?? "");
    const measure = (settings: Readonly<Record<string, string>>): Promise<Ingest> =>
      withRelay(
        "relay-program",
        async ({ url }) => {
          await ingest(url, texts);
          return ingest(url, repeated);
        },
        settings,
      );
    const ours = await measure({});
    const peer = await measure({ known_first: "false" });
    report({
      workload: `${repetitions} known events over ${connections} connections`,
      measured: { value: ours.perSecond, unit: "events/s" },
      peer: {
        name: "the same relay, which verifies before it looks whether it knows the event",
        value: peer.perSecond,
      },
      targetRatio: 4,
      target: 10_000,
      notes: { p99_ok_ms: Math.round(ours.p99Ms), peer_p99_ok_ms: Math.round(peer.p99Ms) },
    });
  },
};
