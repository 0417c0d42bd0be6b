import type { Database } from "@signalbox/database";
import type { Delivery } from "@signalbox/event-store";
import { type Clock, isRetryable, type Timer } from "@signalbox/kernel";
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
/** A publish does not wait longer for the part of the figure that stands in the database. */
const patienceMs = 250;

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
  readonly #reading = new Map<string, Promise<void>>();

  constructor(link: Link, names: Names, database: Database, clock: Clock) {
    this.#link = link;
    this.#names = names;
    this.#database = database;
    this.#clock = clock;
  }

  /** Brings the figures up to date before `admit` is asked for them; all who need the same ones wait for one look. */
  async refresh(deliveries: readonly Delivery[]): Promise<void> {
    for (const { subscriber, subscription, maxPending } of deliveries) {
      if (!maxPending) continue;
      const known = this.#known.get(subscription);
      if (known && this.#clock.monotonicMs() - known.readAtMs < freshMs) continue;
      const reading =
        this.#reading.get(subscription) ??
        this.#read(subscriber, subscription).finally(() => this.#reading.delete(subscription));
      this.#reading.set(subscription, reading);
      await reading;
    }
  }

  async #read(subscriber: string, subscription: string): Promise<void> {
    const readAtMs = this.#clock.monotonicMs();
    const before = this.#known.get(subscription)?.scheduled ?? 0;
    const [counts, waiting] = await Promise.all([
      countBySubject(this.#link, this.#names, subscriptionSubjects(this.#names, subscriber, subscription)),
      this.#countScheduled(subscriber, subscription, before),
    ]);
    const inStream = [...counts.values()].reduce((sum, count) => sum + count, 0);
    this.#known.set(subscription, {
      deliveries: inStream + waiting,
      scheduled: waiting,
      meanBytes: this.#known.get(subscription)?.meanBytes ?? 0,
      readAtMs,
    });
  }

  /** What is due at once needs no database to be taken, so while it is away or hangs the last figure does. */
  async #countScheduled(subscriber: string, subscription: string, before: number): Promise<number> {
    const counting = this.#database.run(scheduled, [subscriber, subscription]).then(
      ({ rows }) => Number(rows[0]?.["count"] ?? 0),
      (error: unknown) => {
        if (isRetryable(error)) return before;
        throw error;
      },
    );
    let timer: Timer | undefined;
    const patience = new Promise<number>((resolve) => {
      timer = this.#clock.setTimer(patienceMs, () => resolve(before));
    });
    return Promise.race([counting, patience]).finally(() => timer?.cancel());
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
