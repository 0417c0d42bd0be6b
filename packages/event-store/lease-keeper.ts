import type { Clock, Timer } from "@signalbox/kernel";
import type { Lease, LeaseMark, Transport } from "./transports/transport.js";

export interface LeaseKeeperOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly leaseMs: number;
  /** The lease ran out and the delivery may be with somebody else by now. */
  readonly onLost: (lease: Lease) => void;
  /** An extension failed; the next one may still be in time. */
  readonly onError: (error: unknown) => void;
}

/** A transport may need the event loop for all of them in one go. */
const extendedTogether = 256;

/** Keeps the leases of one worker alive with one timer, whatever their number: each is extended after a third of its time. */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  /** With the time of the last sign of life. */
  readonly #held = new Map<Lease, number>();
  #timer: Timer | undefined;
  #bytes = 0;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  /** Length of all bodies that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#held.size;
  }

  has(lease: Lease): boolean {
    return this.#held.has(lease);
  }

  hold(leases: readonly Lease[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const lease of leases) {
      this.#held.set(lease, nowMs);
      this.#bytes += lease.body.length;
    }
    this.#arm();
  }

  drop(lease: Lease): void {
    if (this.#held.delete(lease)) this.#bytes -= lease.body.length;
    if (this.#held.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Remembers durably what begins now. Resolves with those that are not lost. */
  async mark(leases: readonly Lease[], mark: LeaseMark): Promise<readonly Lease[]> {
    const results = await this.#options.transport.extend(leases, { mark });
    for (const [index, lease] of leases.entries())
      if (results[index] !== "extended" && this.#held.has(lease)) this.#lose(lease);
    return leases.filter((lease) => this.#held.has(lease));
  }

  #arm(): void {
    if (this.#timer || this.#held.size === 0) return;
    this.#timer = this.#options.clock.setTimer(this.#options.leaseMs / 3, () => {
      void this.#extend().finally(() => {
        this.#timer = undefined;
        this.#arm();
      });
    });
  }

  async #extend(): Promise<void> {
    const { clock, leaseMs, transport } = this.#options;
    const nowMs = clock.monotonicMs();
    const aged = [...this.#held].filter(([, sinceMs]) => nowMs - sinceMs >= leaseMs / 3).map(([lease]) => lease);
    for (let from = 0; from < aged.length; from += extendedTogether) {
      // Some may have been settled while the ones before them were extended.
      const leases = aged.slice(from, from + extendedTogether).filter((lease) => this.#held.has(lease));
      if (leases.length > 0) await this.#extendSome(leases, nowMs, transport);
    }
  }

  async #extendSome(leases: readonly Lease[], nowMs: number, transport: Transport): Promise<void> {
    try {
      const results = await transport.extend(leases);
      results.forEach((result, index) => {
        const lease = leases[index];
        if (!lease || !this.#held.has(lease)) return;
        if (result === "extended") this.#held.set(lease, nowMs);
        else this.#lose(lease);
      });
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #lose(lease: Lease): void {
    this.drop(lease);
    this.#options.onLost(lease);
  }
}
