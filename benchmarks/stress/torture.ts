import assert from "node:assert/strict";
import type { Consumer, Delivery, Lease, Settlement, Transport } from "@signalbox/event-store";
import type { TransportUnderTest } from "@signalbox/event-store/testing";
import type { SeededRandom } from "./random.js";

const deliveries = 400;
const keys = 12;
const consumersAtOnce = 3;
const patienceMs = 90_000;
const subscriber = "stress.survive";
const subscription = `${subscriber}/stress.happened`;

/**
 * Deliveries with and without keys, some late, some twice, while consumers fail, hand back and die at random. In the end
 * each was done exactly once, those of a key in order and never two at once.
 */
export async function torture(
  { transport, another }: TransportUnderTest,
  random: SeededRandom,
  pace: number,
): Promise<void> {
  // A machine that is far too busy does not hold up leases for longer than a few seconds.
  const leaseMs = 1_500 * Math.min(4, pace);
  const record = new Record(random, leaseMs);
  const others = Array.from({ length: consumersAtOnce }, another);
  for (const one of [transport, ...others]) await one.open();
  const consumers = others.map((own) => new DoomedConsumer(own, record, random, leaseMs));
  await publish(transport, record, random);
  const untilMs = Date.now() + patienceMs * pace;
  while (record.done.size < deliveries) {
    record.rethrow();
    assert.ok(
      Date.now() < untilMs,
      `only ${record.done.size} of ${deliveries} are done: ${record.missing().join(", ")}`,
    );
    await sleep(20);
  }
  for (const consumer of consumers) await consumer.stop();
  // Nothing is left, nothing comes again.
  const { ready, scheduled, running, blocked } = await transport.depth(subscriber);
  assert.deepEqual({ ready, scheduled, running, blocked }, { ready: 0, scheduled: 0, running: 0, blocked: 0 });
  record.rethrow();
  record.checkOrder();
  for (const one of others) if (one !== transport) await one.close();
}

async function publish(transport: Transport, record: Record, random: SeededRandom): Promise<void> {
  for (let from = 0; from < deliveries; ) {
    const slice = Array.from({ length: Math.min(1 + random.below(20), deliveries - from) }, () => record.make(from++));
    await transport.enqueue(slice);
    if (random.chance(0.2)) await transport.enqueue(slice);
    if (random.chance(0.3)) await sleep(random.below(30));
  }
}

/** What happened to each delivery. */
class Record {
  readonly done = new Set<string>();
  readonly #random: SeededRandom;
  readonly #leaseMs: number;
  readonly #accepted: string[] = [];
  readonly #keyOf = new Map<string, string>();
  /** With the place that each had when its handling was over: answers to settlements may overtake each other. */
  readonly #finished: { readonly id: string; readonly place: number }[] = [];
  #places = 0;
  /** Leases that somebody works on, by key. */
  readonly #running = new Map<string, { readonly lease: Lease; readonly sinceMs: number }>();
  #failure: unknown;

  constructor(random: SeededRandom, leaseMs: number) {
    this.#random = random;
    this.#leaseMs = leaseMs;
  }

  make(number: number): Delivery {
    const random = this.#random;
    const key = random.chance(0.6) ? `key-${random.below(keys)}` : null;
    const id = `stress-${number}.${subscription}`;
    this.#accepted.push(id);
    if (key !== null) this.#keyOf.set(id, key);
    return {
      id,
      subscriber,
      subscription,
      eventType: "stress.happened",
      body: JSON.stringify({ number }),
      key,
      perKey: 1,
      dueAtMs: random.chance(0.1) ? Date.now() + random.below(500) : 0,
      maxPending: null,
      dedup: null,
    };
  }

  began(lease: Lease): void {
    this.#check(() => {
      assert.ok(!this.done.has(lease.deliveryId), `${lease.deliveryId} was done and came again`);
      if (lease.key === null) return;
      const nowMs = performance.now();
      const other = this.#running.get(lease.key);
      // Where the machine was too busy to work in time, the lease ran out.
      const isOverdue = other !== undefined && nowMs - other.sinceMs >= this.#leaseMs;
      assert.ok(
        !other || isOverdue,
        `${lease.deliveryId} came while ${other?.lease.deliveryId} of its key was running`,
      );
      this.#running.set(lease.key, { lease, sinceMs: nowMs });
    });
  }

  /** Nobody works on it any more, or nobody is believed to. */
  left(lease: Lease): void {
    if (lease.key !== null && this.#running.get(lease.key)?.lease === lease) this.#running.delete(lease.key);
  }

  nextPlace(): number {
    return ++this.#places;
  }

  finished(lease: Lease, place: number): void {
    this.done.add(lease.deliveryId);
    this.#finished.push({ id: lease.deliveryId, place });
  }

  failed(error: unknown): void {
    this.#failure ??= error;
  }

  rethrow(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  missing(): string[] {
    return this.#accepted.filter((id) => !this.done.has(id)).slice(0, 5);
  }

  checkOrder(): void {
    const finished = this.#finished.toSorted((left, right) => left.place - right.place).map(({ id }) => id);
    for (const key of new Set(this.#keyOf.values())) {
      const ofKey = (ids: readonly string[]): string[] => ids.filter((id) => this.#keyOf.get(id) === key);
      assert.deepEqual(ofKey(finished), ofKey(this.#accepted), `the order of ${key}`);
    }
  }

  #check(assertion: () => void): void {
    try {
      assertion();
    } catch (error) {
      this.failed(error);
    }
  }
}

/** Handles deliveries until it dies in the middle of some; another one takes its place. */
class DoomedConsumer {
  readonly #transport: Transport;
  readonly #record: Record;
  readonly #random: SeededRandom;
  readonly #leaseMs: number;
  #consumer: Consumer;
  /** Work of a consumer that died counts no more. */
  #life = 0;
  #stopped = false;

  constructor(transport: Transport, record: Record, random: SeededRandom, leaseMs: number) {
    this.#leaseMs = leaseMs;
    this.#transport = transport;
    this.#record = record;
    this.#random = random;
    this.#consumer = this.#begin();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#consumer.stop();
  }

  #begin(): Consumer {
    const life = this.#life;
    const held = new Set<Lease>();
    const consumer = this.#transport.consume(
      {
        subscriber,
        maxInFlight: 8,
        leaseMs: this.#leaseMs,
        maxTotal: null,
        perKey: 1,
        rateLimit: null,
        capacity: () => 8 - held.size,
        limited: () => {},
        hurry: () => {},
      },
      (leases) => {
        for (const lease of leases) {
          held.add(lease);
          this.#record.began(lease);
          this.#handle(lease, life)
            .catch((error: unknown) => this.#record.failed(error))
            .finally(() => {
              held.delete(lease);
              consumer.wake();
            });
        }
        if (this.#random.chance(0.01)) this.#die(leases);
      },
    );
    return consumer;
  }

  async #handle(lease: Lease, life: number): Promise<void> {
    await sleep(this.#random.below(15));
    if (life !== this.#life) return this.#record.left(lease);
    const settlement = this.#end();
    // Before the transport gives it to somebody else.
    this.#record.left(lease);
    const place = this.#record.nextPlace();
    const [result] = await this.#transport.settle([{ lease, settlement }]);
    if (settlement.kind === "done" && result === "settled") this.#record.finished(lease, place);
  }

  #end(): Settlement {
    const fate = this.#random.next();
    if (fate < 0.1) return { kind: "hand_back" };
    if (fate < 0.25)
      return { kind: "retry", dueAtMs: Date.now() + this.#random.below(150), attempts: 1, progress: null };
    return { kind: "done" };
  }

  /** Its leases run out unsettled. */
  #die(leases: readonly Lease[]): void {
    if (this.#stopped || leases.length === 0) return;
    this.#life++;
    const old = this.#consumer;
    this.#consumer = this.#begin();
    void old.stop();
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
