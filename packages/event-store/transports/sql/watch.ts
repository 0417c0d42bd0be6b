import type { Logger, Timer } from "@signalbox/kernel";
import type { SqlParts } from "./parts.js";

export interface QueueWatchOptions {
  readonly parts: SqlParts;
  readonly logger: Logger;
  readonly pollMs: number;
  readonly repetitionWindowMs: number;
  /** Subscribers that are consumed here. */
  readonly consumed: () => readonly string[];
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
  #stopped = false;

  constructor(options: QueueWatchOptions) {
    this.#options = options;
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
    const look = engine.next(names);
    const { rows } = await database.run(look.sql, look.rows[0]);
    const nowMs = clock.nowMs();
    const isPast = (value: unknown): boolean => value !== null && Number(value) <= nowMs;
    const expired = rows.filter((row) => isPast(row["running"])).map((row) => String(row["subscriber"]));
    for (const row of rows) if (isPast(row["waiting"])) wake(String(row["subscriber"]));
    if (expired.length === 0) return;
    await database.batch([engine.expire(expired, nowMs)]);
    for (const subscriber of expired) wake(subscriber);
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
