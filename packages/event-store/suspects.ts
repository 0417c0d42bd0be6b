import type { EffectiveWork } from "./registry.js";
import type { Lease } from "./transports/transport.js";
import { WaitingLine } from "./waiting-line.js";

/** A delivery whose lease ran out this often may be the reason: from then on nothing unsuspected runs beside it. */
export const suspectAfterCrashes = 2;
/** With each further crash so many times fewer suspects share a call, until each is alone. */
const fewerEachTime = 8;

/** Those that crashed equally often. */
interface Line {
  readonly waiting: WaitingLine;
  /** How many the next call may take: it begins with few, and each call that ended well doubles it up to `most`. */
  next: number;
  readonly most: number;
}

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
  /** By the most that may share a call, in the order in which the first of each came. */
  readonly #lines = new Map<number, Line>();
  /** In which of them each is. */
  readonly #mostOf = new Map<Lease, number>();

  constructor(batch: EffectiveWork["batch"]) {
    this.#batch = batch;
  }

  get size(): number {
    return this.#mostOf.size;
  }

  /** @param crashes deaths under which it may have been; a lease that merely ran out is none */
  push(lease: Lease, crashes: number): void {
    const most = this.#mostFor(lease, crashes);
    const line = this.#lines.get(most) ?? {
      waiting: new WaitingLine(this.#batch),
      next: Math.max(1, Math.floor(most / fewerEachTime)),
      most,
    };
    this.#lines.set(most, line);
    line.waiting.push(lease);
    this.#mostOf.set(lease, most);
  }

  /**
   * Those of the next call, to be asked for when the one before has ended; empty when nobody waits. `alone`: a crash is this
   * delivery's own doing.
   */
  take(): { readonly leases: readonly Lease[]; readonly alone: boolean } {
    for (const [most, line] of this.#lines) {
      const leases = line.waiting.take(line.next);
      const alone = line.next === 1;
      line.next = Math.min(line.most, line.next * 2);
      for (const lease of leases) this.#mostOf.delete(lease);
      if (line.waiting.isEmpty) this.#lines.delete(most);
      return { leases, alone };
    }
    return { leases: [], alone: false };
  }

  remove(lease: Lease): void {
    const most = this.#mostOf.get(lease);
    const line = most === undefined ? undefined : this.#lines.get(most);
    if (most === undefined || !line) return;
    this.#mostOf.delete(lease);
    line.waiting.remove(lease);
    if (line.waiting.isEmpty) this.#lines.delete(most);
  }

  takeAll(): Lease[] {
    const leases = [...this.#lines.values()].flatMap(({ waiting }) => waiting.takeAll());
    this.#lines.clear();
    this.#mostOf.clear();
    return leases;
  }

  #mostFor({ crashesAlone }: Lease, crashes: number): number {
    // Who died alone once is not put together with others again.
    if (this.#batch === null || crashesAlone > 0) return 1;
    return Math.max(1, Math.floor(this.#batch.maxSize / fewerEachTime ** (crashes - suspectAfterCrashes)));
  }
}
