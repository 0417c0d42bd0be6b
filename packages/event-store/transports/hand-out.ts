import type { Logger } from "@signalbox/kernel";
import type { Lease } from "./transport.js";

export interface HandOutOptions<Claimed extends Lease> {
  readonly subscriber: string;
  readonly onBatch: (leases: readonly Claimed[]) => void;
  readonly handBack: (leases: readonly Claimed[]) => Promise<void>;
  readonly logger: Logger;
  /** Turns of the event loop after which the next claim is with the engine. */
  readonly turnsAhead: number;
}

/**
 * Brings what a consumer claimed to its worker, in the order of the claims. Where more is waiting, the next claim and the
 * settlements so far go to the engine first: it is at them while these leases are handled. Once stopped, everything that
 * the worker does not know of goes back.
 */
export class HandOut<Claimed extends Lease> {
  readonly #options: HandOutOptions<Claimed>;
  #coming = 0;
  #last: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: HandOutOptions<Claimed>) {
    this.#options = options;
  }

  /** Leases that the worker does not know of yet. */
  get coming(): number {
    return this.#coming;
  }

  /** `more`: the claim left some behind. */
  give(leases: readonly Claimed[], more: boolean): void {
    this.#coming += leases.length;
    this.#last = this.#last.then(async () => {
      if (more && !this.#stopped) for (let turn = 0; turn < this.#options.turnsAhead; turn++) await nextTurn();
      this.#coming -= leases.length;
      if (this.#stopped) await this.#handBack(leases);
      else this.#options.onBatch(leases);
    });
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when nothing is on its way any more. */
  idle(): Promise<void> {
    return this.#last;
  }

  async #handBack(leases: readonly Claimed[]): Promise<void> {
    const { handBack, logger, subscriber } = this.#options;
    await handBack(leases).catch((error: unknown) => {
      logger.warn("deliveries could not be handed back; their leases run out", { error, subscriber });
    });
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
