import type { Clock, Logger } from "@signalbox/kernel";
import { backoffCeilingMs } from "@signalbox/kernel";
import { atRoot } from "../../at-root.js";
import { HandOut } from "../hand-out.js";
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

/** Turns of the event loop until a group commit that can begin has begun. */
const turnsAhead = 2;

/** One subscriber's look into the queue: claims when there is room and reason to, one claim at a time. */
export class SqlConsumer implements Consumer, LeaseHolder {
  readonly subscriber: string;
  readonly leaseMs: number;
  readonly perKey: number;
  readonly spec: ConsumeSpec;
  readonly #options: ConsumerOptions;
  readonly #handOut: HandOut<SqlLease>;
  #inFlight = 0;
  /** Moving average of a body; the first claim is careful. */
  #bodyBytes = 262_144;
  #wanted = false;
  /** The last look left some behind. */
  #more = false;
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
    this.#handOut = new HandOut<SqlLease>({ ...options, subscriber: this.subscriber, turnsAhead });
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
    this.#handOut.stop();
    this.#options.onStop(this);
    await this.#claiming;
    await this.#handOut.idle();
  }

  #schedule(): void {
    const begin = (): void => {
      this.#claiming ??= this.#claimAll().finally(() => {
        this.#claiming = undefined;
        if (this.#wanted && !this.#stopped) this.#schedule();
      });
    };
    const { gatherMs = 0 } = this.spec;
    const waits = gatherMs > 0 && !this.#more;
    atRoot(() => void (waits ? this.#options.clock.setTimer(gatherMs, begin) : setImmediate(begin)));
  }

  async #claimAll(): Promise<void> {
    while (this.#wanted && !this.#stopped) {
      this.#wanted = false;
      const affordable = Math.max(1, Math.floor(maxClaimBytes / this.#bodyBytes));
      const capacity = this.spec.capacity() - this.#handOut.coming;
      const limit = Math.min(capacity, this.spec.maxInFlight - this.#inFlight, maxClaim, affordable);
      if (limit <= 0) return;
      try {
        const { leases, more } = await this.#options.claim(this, limit);
        this.#failures = 0;
        this.#more = more;
        this.#wanted ||= more;
        if (leases.length > 0) this.#received(leases, more);
        // What came meanwhile gathers like what comes later.
        if (!more && this.spec.gatherMs) return;
      } catch (error) {
        await this.#rest(error);
      }
    }
  }

  #received(leases: readonly SqlLease[], more: boolean): void {
    this.#limited = false;
    this.#inFlight += leases.length;
    const bodyBytes = leases.reduce((sum, { body }) => sum + body.length, 0) / leases.length;
    this.#bodyBytes = Math.max(1, bodyBytes, this.#bodyBytes / 4);
    this.#handOut.give(leases, more);
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
