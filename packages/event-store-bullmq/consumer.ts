import type { Consumer, ConsumeSpec, Lease } from "@signalbox/event-store";
import { atRoot, HandOut } from "@signalbox/event-store/adapter";
import { backoffCeilingMs, type Clock, type Logger } from "@signalbox/kernel";
import type { Claimed } from "./claim.js";
import type { JobLease, LeaseHolder } from "./lease.js";

export interface ConsumerOptions {
  readonly spec: ConsumeSpec;
  readonly onBatch: (leases: readonly Lease[]) => void;
  readonly claim: (consumer: JobConsumer, limit: number) => Promise<Claimed>;
  readonly handBack: (leases: readonly JobLease[]) => Promise<void>;
  readonly onStop: (consumer: JobConsumer) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Redis answers nobody else while it moves jobs, so a claim stays small. */
const maxClaim = 256;
/** Turns of the event loop until a claim has been sent to Redis. */
const turnsAhead = 1;

/** One subscriber's look into its queue: claims when there is room and reason to, one claim at a time. */
export class JobConsumer implements Consumer, LeaseHolder {
  readonly subscriber: string;
  readonly leaseMs: number;
  readonly perKey: number;
  readonly spec: ConsumeSpec;
  readonly #options: ConsumerOptions;
  readonly #handOut: HandOut<JobLease>;
  /** With the time until which they are believed to be ours. */
  readonly #held = new Map<JobLease, number>();
  #wanted = false;
  #claiming: Promise<void> | undefined;
  #failures = 0;
  #stopped = false;
  #limited = false;

  constructor(options: ConsumerOptions) {
    this.spec = options.spec;
    this.subscriber = options.spec.subscriber;
    this.leaseMs = options.spec.leaseMs;
    this.perKey = options.spec.perKey;
    this.#options = options;
    this.#handOut = new HandOut<JobLease>({ ...options, subscriber: this.subscriber, turnsAhead });
  }

  wake(): void {
    if (this.#wanted || this.#stopped) return;
    this.#wanted = true;
    if (!this.#claiming) this.#schedule();
  }

  released(lease: JobLease): void {
    this.#held.delete(lease);
  }

  extended(lease: JobLease): void {
    if (this.#held.has(lease)) this.#held.set(lease, this.#options.clock.monotonicMs() + this.leaseMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#handOut.stop();
    this.#options.onStop(this);
    await this.#claiming;
    await this.#handOut.idle();
  }

  #schedule(): void {
    atRoot(() =>
      setImmediate(() => {
        this.#claiming ??= this.#claimAll().finally(() => {
          this.#claiming = undefined;
          if (this.#wanted && !this.#stopped) this.#schedule();
        });
      }),
    );
  }

  async #claimAll(): Promise<void> {
    while (this.#wanted && !this.#stopped) {
      this.#wanted = false;
      const limit = Math.min(this.spec.capacity() - this.#handOut.coming, this.#room(), maxClaim);
      if (limit <= 0) return;
      try {
        const { leases, more, limited } = await this.#options.claim(this, limit);
        this.#failures = 0;
        this.#wanted ||= more;
        this.#noteLimit(limited);
        if (leases.length > 0) this.#received(leases, more);
      } catch (error) {
        await this.#rest(error);
      }
    }
  }

  #room(): number {
    if (this.#held.size < this.spec.maxInFlight) return this.spec.maxInFlight - this.#held.size;
    // A lease that nobody settled because the engine was away has long been offered to others.
    const nowMs = this.#options.clock.monotonicMs();
    for (const [lease, untilMs] of this.#held) if (untilMs + this.leaseMs < nowMs) this.#held.delete(lease);
    return this.spec.maxInFlight - this.#held.size;
  }

  /** Says once that the rate limit holds up a delivery that is due. */
  #noteLimit(limited: boolean): void {
    if (limited && !this.#limited) this.spec.limited();
    this.#limited = limited;
  }

  #received(leases: readonly JobLease[], more: boolean): void {
    const untilMs = this.#options.clock.monotonicMs() + this.leaseMs;
    for (const lease of leases) this.#held.set(lease, untilMs);
    this.#handOut.give(leases, more);
  }

  /** The engine is away, most likely; the watch wakes this consumer again in any case. */
  async #rest(error: unknown): Promise<void> {
    this.#failures++;
    const { clock, logger } = this.#options;
    if (this.#failures === 1) logger.warn("deliveries could not be claimed", { error, subscriber: this.subscriber });
    await clock.sleep(backoffCeilingMs(this.#failures, { baseMs: 100, maxMs: 10_000 }));
    this.#wanted = true;
  }
}
