import type { Logger, Timer } from "@signalbox/kernel";
import { followClockBack, JumpDetector } from "./clock-jump.js";
import type { SqlParts } from "./parts.js";

export interface QueueWatchOptions {
  readonly parts: SqlParts;
  readonly logger: Logger;
  readonly pollMs: number;
  readonly repetitionWindowMs: number;
  /** Subscribers that are consumed here. */
  readonly consumed: () => readonly string[];
  /** The longest of their leases. */
  readonly leaseMs: () => number;
  /** Something of the subscriber is due. */
  readonly wake: (subscriber: string) => void;
}

const purgeEveryMs = 1_000;
/** Small enough not to hold anybody up. */
const purgeRows = 500;
const purgeRounds = 50;

/** Looks now and then for what nobody announces: due times, other processes' deliveries, leases and rows that had their time. */
export class QueueWatch {
  readonly #options: QueueWatchOptions;
  readonly #timers = new Map<string, Timer>();
  readonly #underway = new Set<Promise<void>>();
  readonly #jumps: JumpDetector;
  /** By the monotonic clock. */
  #sparedUntilMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: QueueWatchOptions) {
    this.#options = options;
    this.#jumps = new JumpDetector(options.parts.clock);
  }

  start(): void {
    this.#every(this.#options.pollMs, "poll", () => this.#poll());
    this.#every(purgeEveryMs, "purge", () => this.#purge());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    await Promise.all(this.#underway);
  }

  #every(periodMs: number, name: string, work: () => Promise<void>): void {
    if (this.#stopped) return;
    const timer = this.#options.parts.clock.setTimer(periodMs, () => {
      const run = work()
        .catch((error: unknown) => this.#options.logger.debug("the queue could not be looked after", { error, name }))
        .finally(() => {
          this.#underway.delete(run);
          this.#every(periodMs, name, work);
        });
      this.#underway.add(run);
    });
    this.#timers.set(name, timer);
  }

  /** One look for all subscribers: what is due is woken, what was given up is offered again. */
  async #poll(): Promise<void> {
    const { parts, consumed, wake } = this.#options;
    const { database, engine, clock } = parts;
    const names = consumed();
    if (names.length === 0) return;
    await this.#followClock(names);
    const look = engine.next(names);
    const { rows } = await database.run(look.sql, look.rows[0]);
    const nowMs = clock.nowMs();
    const isPast = (value: unknown): boolean => value !== null && Number(value) <= nowMs;
    const expired = rows.filter((row) => isPast(row["running"])).map((row) => String(row["subscriber"]));
    for (const row of rows) if (isPast(row["waiting"])) wake(String(row["subscriber"]));
    if (expired.length === 0 || clock.monotonicMs() < this.#sparedUntilMs) return;
    await database.batch([engine.expire(expired, nowMs)]);
    for (const subscriber of expired) wake(subscriber);
  }

  /**
   * Somebody may set the clock. When it goes forward, leases seem to have run out whose holders are well: these have the
   * time of a lease to say so. When it goes back, what was due would be due again only then.
   */
  async #followClock(names: readonly string[]): Promise<void> {
    const { parts, logger, leaseMs } = this.#options;
    const jump = this.#jumps.look();
    if (!jump) return;
    logger.warn("the clock was set", { by_s: jump.byMs / 1000 });
    if (jump.byMs > 0) this.#sparedUntilMs = parts.clock.monotonicMs() + leaseMs();
    else await parts.database.batch([followClockBack(jump, names, leaseMs())]);
  }

  /** Deletes settled rows whose ids need not be remembered any more. */
  async #purge(): Promise<void> {
    const { parts, repetitionWindowMs } = this.#options;
    const beforeMs = parts.clock.nowMs() - repetitionWindowMs;
    for (let round = 0; round < purgeRounds && !this.#stopped; round++) {
      const [result] = await parts.database.batch([parts.engine.purge(beforeMs, purgeRows)]);
      if ((result?.changes ?? 0) < purgeRows) return;
    }
  }
}
