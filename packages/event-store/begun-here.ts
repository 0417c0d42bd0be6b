import type { Lease } from "./transports/transport.js";

/** More deliveries than a slow process can lose before they come back to it. */
const maxRemembered = 20_000;

/**
 * How often deliveries that came back from a crash began in this process. The transport counts each lease that ran out, of a
 * killed process or of one that was merely too slow; whoever takes the same delivery again has not died of it meanwhile.
 */
export class BegunHere {
  readonly #times = new Map<string, number>();

  note({ deliveryId }: Lease): void {
    this.#times.set(deliveryId, (this.#times.get(deliveryId) ?? 0) + 1);
    for (const oldest of this.#times.keys()) {
      if (this.#times.size <= maxRemembered) break;
      this.#times.delete(oldest);
    }
  }

  forget({ deliveryId }: Lease): void {
    this.#times.delete(deliveryId);
  }

  /** Deaths of other processes under which the delivery may have been. */
  crashesElsewhere({ deliveryId, crashes }: Lease): number {
    return crashes - (this.#times.get(deliveryId) ?? 0);
  }
}
