import type { Clock, Logger } from "@signalbox/kernel";
import { backoffCeilingMs } from "@signalbox/kernel";
import { atRoot } from "../../at-root.js";
import type { Consumer, ConsumeSpec, Lease } from "../transport.js";
import type { LeaseHolder, SqlLease } from "./lease.js";

export interface ConsumerOptions {
  readonly spec: ConsumeSpec;
  readonly onBatch: (leases: readonly Lease[]) => void;
  /** Takes up to `limit` leases; `more` says that another look is worth while. */
  readonly claim: (
    consumer: SqlConsumer,
    limit: number,
  ) => Promise<{ readonly leases: SqlLease[]; readonly more: boolean }>;
  readonly handBack: (leases: readonly SqlLease[]) => Promise<void>;
  readonly onStop: (consumer: SqlConsumer) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** SQLite holds the event loop while it works, so a claim stays small. */
const maxClaim = 256;
/** What a claim brings into memory, as far as the ones before tell. */
const maxClaimBytes = 8_388_608;

/** One subscriber's look into the queue: claims when there is room and reason to, one claim at a time. */
export class SqlConsumer implements Consumer, LeaseHolder {
  readonly subscriber: string;
  readonly leaseMs: number;
  readonly perKey: number;
  readonly spec: ConsumeSpec;
  readonly #options: ConsumerOptions;
  #inFlight = 0;
  /** Moving average of a body; the first claim is careful. */
  #bodyBytes = 262_144;
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
  }

  wake(): void {
    if (this.#wanted || this.#stopped) return;
    this.#wanted = true;
    if (!this.#claiming) this.#schedule();
  }

  /** The rate limit holds up a delivery that is due. */
  limited(): void {
    if (!this.#limited) this.spec.limited();
    this.#limited = true;
  }

  released(): void {
    this.#inFlight--;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.onStop(this);
    await this.#claiming;
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
      const affordable = Math.max(1, Math.floor(maxClaimBytes / this.#bodyBytes));
      const limit = Math.min(this.spec.capacity(), this.spec.maxInFlight - this.#inFlight, maxClaim, affordable);
      if (limit <= 0) return;
      try {
        const { leases, more } = await this.#options.claim(this, limit);
        this.#failures = 0;
        this.#wanted ||= more;
        await this.#handOut(leases);
      } catch (error) {
        await this.#rest(error);
      }
    }
  }

  async #handOut(leases: SqlLease[]): Promise<void> {
    if (leases.length === 0) return;
    this.#limited = false;
    this.#inFlight += leases.length;
    const bodyBytes = leases.reduce((sum, { body }) => sum + body.length, 0) / leases.length;
    this.#bodyBytes = Math.max(1, bodyBytes, this.#bodyBytes / 4);
    if (this.#stopped) await this.#options.handBack(leases);
    else this.#options.onBatch(leases);
  }

  /** The engine is away, most likely; the poll wakes this consumer again in any case. */
  async #rest(error: unknown): Promise<void> {
    this.#failures++;
    const { clock, logger } = this.#options;
    if (this.#failures === 1) logger.warn("deliveries could not be claimed", { error, subscriber: this.subscriber });
    await clock.sleep(backoffCeilingMs(this.#failures, { baseMs: 100, maxMs: 10_000 }));
    this.#wanted = true;
  }
}
