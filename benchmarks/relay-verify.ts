import { createVerifierPool, openInstalledLibrary } from "@signalbox/git-relay";
import { silentLogger } from "@signalbox/kernel";
import { hasRightSignature } from "@signalbox/nostr";
import { initNostrWasm } from "nostr-wasm";
import { type Benchmark, scaled } from "./harness.js";
import { loadPureNostrTools } from "./peers/nostr-tools.js";
import { signedEvents } from "./relay/git-events.js";

const count = scaled(4_000);
const slowCount = scaled(1_000);

async function rate(times: number, work: () => Promise<void> | void): Promise<number> {
  const startMs = performance.now();
  await work();
  return (times * 1_000) / (performance.now() - startMs);
}

/**
 * Signatures checked a second: libsecp256k1 in WebAssembly and, where the machine has it, as it is installed, on one
 * thread and in the worker pool, against JavaScript.
 */
export const relayVerify: Benchmark = {
  name: "relay-verify",
  proves: ["GR-908"],
  async run(report) {
    const { verifyEvent } = await loadPureNostrTools();
    const events = signedEvents(count);
    for (const event of events.slice(0, 200)) hasRightSignature(event);
    const inline = await rate(count, () => {
      for (const event of events) if (!hasRightSignature(event)) throw new Error("a signature is wrong");
    });
    // Copies, because the peer remembers on the event that it was checked.
    const copies = events.slice(0, slowCount).map((event) => ({ ...event, tags: event.tags.map((tag) => [...tag]) }));
    const pure = await rate(slowCount, () => {
      for (const event of copies) if (!verifyEvent(event)) throw new Error("a signature is wrong");
    });
    const wasm = await initNostrWasm();
    const other = await rate(slowCount, () => {
      for (const event of copies) wasm.verifyEvent(event);
    });
    report({
      workload: "signatures on one thread",
      measured: { value: inline, unit: "signatures/s" },
      peer: { name: "nostr-tools/pure", value: pure },
      targetRatio: 4,
      target: 1_900,
      notes: { nostr_wasm: Math.round(other) },
    });
    const installed = await openInstalledLibrary();
    if (installed.kind === "opened") {
      const parts = events.map(({ id, pubkey, sig }) => [id, pubkey, sig].map((hex) => Buffer.from(hex, "hex")));
      const direct = await rate(count, () => {
        for (const [id, pubkey, sig] of parts)
          if (!id || !pubkey || !sig || !installed.check(id, pubkey, sig)) throw new Error("a signature is wrong");
      });
      report({
        workload: `signatures on one thread, by the installed ${installed.library}`,
        measured: { value: direct, unit: "signatures/s" },
        peer: { name: "libsecp256k1 in WebAssembly", value: inline },
      });
    }
    const engines = installed.kind === "opened" ? (["wasm", "auto"] as const) : (["wasm"] as const);
    for (const [workers, engine] of [1, 2].flatMap((each) => engines.map((name) => [each, name] as const))) {
      const pool = createVerifierPool({ engine, workers, logger: silentLogger });
      await Promise.all(events.slice(0, 200).map((event) => pool.verify(event)));
      const pooled = await rate(count, async () => {
        await Promise.all(events.map((event) => pool.verify(event)));
      });
      await pool.close();
      report({
        workload: `signatures in a pool of ${workers}${engine === "auto" ? ", by the installed library" : ""}`,
        measured: { value: pooled, unit: "signatures/s" },
        peer: { name: "nostr-tools/pure", value: pure },
        targetRatio: 4,
      });
    }
  },
};
