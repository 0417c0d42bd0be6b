import type { Database } from "@signalbox/database";
import type { Delivery } from "@signalbox/event-store";
import { type Clock, isRetryable } from "@signalbox/kernel";
import type { Link } from "./link.js";
import { type Names, subscriptionSubjects } from "./names.js";
import { countBySubject } from "./stream.js";

interface Known {
  deliveries: number;
  /** Of these, how many waited for their time when they were counted. */
  scheduled: number;
  /** Moving average of what was enqueued here. */
  meanBytes: number;
  readAtMs: number;
}

/** How long a figure may be used before it is read again: what other processes do is seen this late. */
const freshMs = 250;

const scheduled = `select count(*) as count from event_deliveries
  where subscriber = ? and state in (0, 1) and available_at_ms is not null and subscription = ?`;

/**
 * Counts what waits for subscriptions with `maxPending`: the stream knows how many, and the bytes follow from the mean size
 * of what was enqueued here.
 */
export class PendingBounds {
  readonly #link: Link;
  readonly #names: Names;
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(link: Link, names: Names, database: Database, clock: Clock) {
    this.#link = link;
    this.#names = names;
    this.#database = database;
    this.#clock = clock;
  }

  /** Brings the figures up to date before `admit` is asked for them. */
  async refresh(deliveries: readonly Delivery[]): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    for (const { subscriber, subscription, maxPending } of deliveries) {
      if (!maxPending) continue;
      const known = this.#known.get(subscription);
      if (known && nowMs - known.readAtMs < freshMs) continue;
      const subjects = subscriptionSubjects(this.#names, subscriber, subscription);
      const [counts, waiting] = await Promise.all([
        countBySubject(this.#link, this.#names, subjects),
        this.#countScheduled(subscriber, subscription, known?.scheduled ?? 0),
      ]);
      const inStream = [...counts.values()].reduce((sum, count) => sum + count, 0);
      this.#known.set(subscription, {
        deliveries: inStream + waiting,
        scheduled: waiting,
        meanBytes: known?.meanBytes ?? 0,
        readAtMs: nowMs,
      });
    }
  }

  /** What is due at once needs no database to be taken, so while it is away the last figure does. */
  async #countScheduled(subscriber: string, subscription: string, before: number): Promise<number> {
    try {
      const { rows } = await this.#database.run(scheduled, [subscriber, subscription]);
      return Number(rows[0]?.["count"] ?? 0);
    } catch (error) {
      if (isRetryable(error)) return before;
      throw error;
    }
  }

  /** Whether there is room for one more; if so it is counted. */
  admit({ subscription, maxPending, body }: Delivery): boolean {
    const known = this.#known.get(subscription);
    if (!maxPending || !known) return true;
    const bytes = Buffer.byteLength(body);
    const meanBytes = known.meanBytes === 0 ? bytes : known.meanBytes;
    if (maxPending.count !== undefined && known.deliveries >= maxPending.count) return false;
    if (maxPending.bytes !== undefined && known.deliveries * meanBytes + bytes > maxPending.bytes) return false;
    known.deliveries++;
    known.meanBytes = meanBytes * 0.99 + bytes * 0.01;
    return true;
  }

  /** It was not enqueued after all, or has been settled. */
  uncount(subscription: string): void {
    const known = this.#known.get(subscription);
    if (known && known.deliveries > 0) known.deliveries--;
  }

  /** The next figures are read anew. */
  forgetFigures(): void {
    for (const known of this.#known.values()) known.readAtMs = Number.NEGATIVE_INFINITY;
  }
}
