import type { EffectiveWork } from "./registry.js";
import type { Lease } from "./transports/transport.js";
import { WaitingLine } from "./waiting-line.js";

/** A delivery whose lease ran out this often may be the reason: from then on nothing unsuspected runs beside it. */
export const suspectAfterCrashes = 2;
/** With each further crash so many times fewer suspects share a call, until each is alone. */
const fewerEachTime = 8;

/**
 * Deliveries of one worker that may have killed their process, in groups that get the process for themselves.
 *
 * A killed process leaves everything behind that it held, a thousand deliveries of a subscriber with batches, and mostly all of
 * them are sound: one by one they would take minutes. So they share calls, and whoever is in a call that ends well is
 * acquitted. A call that kills its process again comes back as smaller ones, down to the guilty delivery alone. Without
 * batches each is alone from the start.
 */
export class Suspects {
  readonly #batch: EffectiveWork["batch"];
  /** By the number of those that may share a call, in the order in which the first of each came. */
  readonly #lines = new Map<number, WaitingLine>();

  constructor(batch: EffectiveWork["batch"]) {
    this.#batch = batch;
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  push(lease: Lease): void {
    const together = this.#togetherFor(lease);
    const line = this.#lines.get(together) ?? this.#addLine(together);
    line.push(lease);
  }

  /** Those of the next call; empty when nobody waits. `alone`: a crash is this delivery's own doing. */
  take(): { readonly leases: readonly Lease[]; readonly alone: boolean } {
    for (const [together, line] of this.#lines) {
      const leases = line.take();
      if (line.isEmpty) this.#lines.delete(together);
      return { leases, alone: together === 1 };
    }
    return { leases: [], alone: false };
  }

  remove(lease: Lease): void {
    const together = this.#togetherFor(lease);
    const line = this.#lines.get(together);
    line?.remove(lease);
    if (line?.isEmpty) this.#lines.delete(together);
  }

  takeAll(): Lease[] {
    const leases = [...this.#lines.values()].flatMap((line) => line.takeAll());
    this.#lines.clear();
    return leases;
  }

  #togetherFor({ crashes, crashesAlone }: Lease): number {
    // Who died alone once is not put together with others again.
    if (this.#batch === null || crashesAlone > 0) return 1;
    return Math.max(1, Math.floor(this.#batch.maxSize / fewerEachTime ** (crashes - 1)));
  }

  #addLine(together: number): WaitingLine {
    const line = new WaitingLine(this.#batch && { ...this.#batch, maxSize: together });
    this.#lines.set(together, line);
    return line;
  }
}
