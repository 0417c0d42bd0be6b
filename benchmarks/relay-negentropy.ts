import { createHash } from "node:crypto";
import {
  createItemSetBuilder,
  createNegentropyInitiator,
  createNegentropyResponder,
  type ItemSet,
} from "@signalbox/nostr";
import { type Benchmark, scaled } from "./harness.js";
import { loadNostrTools } from "./peers/nostr-tools.js";
import { createRandom } from "./relay/git-events.js";

const items = scaled(100_000);

interface Item {
  readonly timestamp: number;
  readonly id: string;
}

/** Two sets of which two in a hundred are different. */
function similarSets(): { readonly ours: Item[]; readonly theirs: Item[] } {
  const random = createRandom(1);
  const ours: Item[] = [];
  const theirs: Item[] = [];
  for (let index = 0; index < items; index++) {
    const item = { timestamp: 1_700_000_000 + index, id: createHash("sha256").update(String(index)).digest("hex") };
    const dice = random();
    if (dice > 0.01) ours.push(item);
    if (dice < 0.99) theirs.push(item);
  }
  return { ours, theirs };
}

function seal(list: readonly Item[]): ItemSet {
  const builder = createItemSetBuilder();
  for (const { timestamp, id } of list) builder.add(timestamp, id);
  return builder.seal();
}

function reconcile(theirs: ItemSet, open: () => Uint8Array, receive: (answer: Uint8Array) => Uint8Array | undefined) {
  const startMs = performance.now();
  const responder = createNegentropyResponder(theirs);
  let rounds = 0;
  for (let message: Uint8Array | undefined = open(); message; rounds++) message = receive(responder.receive(message));
  return { tookMs: performance.now() - startMs, rounds };
}

/** Two sets of 100,000 items find their differences: our initiator against that of nostr-tools, our responder for both. */
export const relayNegentropy: Benchmark = {
  name: "relay-negentropy",
  proves: ["GR-904"],
  async run(report) {
    const { nip77 } = await loadNostrTools();
    const { ours, theirs } = similarSets();
    const startMs = performance.now();
    const theirSet = seal(theirs);
    const sealedMs = performance.now() - startMs;
    const ourSet = seal(ours);
    const once = () => {
      const initiator = createNegentropyInitiator(ourSet);
      return reconcile(theirSet, initiator.open, (answer) => initiator.receive(answer).message);
    };
    once();
    const mine = once();
    const storage = new nip77.NegentropyStorageVector();
    for (const { timestamp, id } of ours) storage.insert(timestamp, id);
    storage.seal();
    const other = new nip77.Negentropy(storage, 60_000);
    const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
    const peer = reconcile(
      theirSet,
      () => bytes(other.initiate()),
      (answer) => {
        const next = other.reconcile(Buffer.from(answer).toString("hex"));
        return next === null ? undefined : bytes(next);
      },
    );
    report({
      workload: `${items} items on each side, 2 % different: both roles`,
      measured: { value: mine.tookMs, unit: "ms" },
      peer: { name: "nostr-tools as initiator, the same responder", value: peer.tookMs },
      targetRatio: 1,
      target: 1_500,
      notes: { rounds: mine.rounds, bytes_per_record: 40 },
    });
    report({
      workload: `building a set of ${items} items in order`,
      measured: { value: sealedMs, unit: "ms" },
      target: 300,
    });
  },
};
