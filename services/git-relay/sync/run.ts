import { setMaxListeners } from "node:events";
import type { SyncJourney } from "./ports.js";
import type { BatchProof } from "./proof.js";
import type { SyncLayer } from "./snapshot.js";

/** Why a historic sync is done: from nothing, after a short absence, or once a day. */
export type RunKind = "fresh" | "quick" | "daily";

/** One historic sync of a peer, from its beginning to its completion or its end without. */
export class SyncRun {
  readonly kind: RunKind;
  /** Ties together everything that comes of it. */
  readonly correlationId: string;
  readonly #journey: SyncJourney;
  readonly #abort = new AbortController();
  readonly #proofs = new Map<SyncLayer, BatchProof[]>();

  constructor(kind: RunKind, correlationId: string, journey: SyncJourney) {
    this.kind = kind;
    this.correlationId = correlationId;
    this.#journey = journey;
    // Every request under way listens.
    setMaxListeners(0, this.#abort.signal);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether it asks for everything, and so can prove something. */
  get isFull(): boolean {
    return this.kind !== "quick";
  }

  get proofs(): ReadonlyMap<SyncLayer, readonly BatchProof[]> {
    return this.#proofs;
  }

  addProof(proof: BatchProof): void {
    const { layer } = proof.portion;
    this.#proofs.set(layer, [...(this.#proofs.get(layer) ?? []), proof]);
  }

  /** Everything that was is here, or has failed for good. What follows live still belongs to it. */
  conclude(hasFailures: boolean): void {
    if (hasFailures) this.#journey.fail("batches failed");
    else this.#journey.complete();
  }

  /** What is under way is given up. */
  end(reason: string): void {
    this.#abort.abort(new Error(reason));
    this.#journey.discard(reason.replaceAll(" ", "_"));
  }
}
