import { AckPolicy, type ConsumerInfo, DeliverPolicy, JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import { createInbox, type Msg, nanos } from "@nats-io/transport-node";
import type { Clock, Logger, Timer } from "@signalbox/kernel";
import type { Link } from "./link.js";
import { durableName, freePartition, type Names, subjectsOf } from "./names.js";

export interface SourceOptions {
  readonly link: Link;
  readonly names: Names;
  readonly subscriber: string;
  readonly partition: string;
  readonly leaseMs: number;
  readonly perKey: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onMessage: (message: Msg, source: Source) => void;
  /** A pull is over, and room that it had reserved is free. */
  readonly onEnd: () => void;
  /** Its consumer on the server may be gone: it has to be prepared anew. */
  readonly onLost: (source: Source) => void;
}

/** More than any process holds: without a key nothing has to wait for anything. */
const freeAckPending = 100_000;
/** How long a pull waits for a partition whose delivery is about to end. */
const keyedPullMs = 20;
/** After this a pull is given up: its answer was lost with the connection, or its consumer is gone and nobody says so. */
const pullTimeoutMs = 2_000;

/** One partition of a subscriber's queue: a durable consumer, of which every process pulls. */
export class Source {
  readonly partition: string;
  readonly #options: SourceOptions;
  readonly #pullSubject: string;
  readonly #inbox = createInbox();
  readonly #subscription: { unsubscribe(): void };
  /** It may have something. */
  #wanted = true;
  #again = false;
  /** What the pull under way may still bring. */
  #pulling = 0;
  #timer: Timer | undefined;
  #ready: Promise<void> | undefined;
  #isReady = false;
  #ackWaitMs: number;

  constructor(options: SourceOptions) {
    const { link, names, subscriber, partition, leaseMs } = options;
    this.#options = options;
    this.partition = partition;
    this.#ackWaitMs = leaseMs;
    this.#pullSubject = `$JS.API.CONSUMER.MSG.NEXT.${names.stream}.${durableName(subscriber, partition)}`;
    this.#subscription = link.subscribe(this.#inbox, (message) => this.#receive(message));
  }

  /** Room that its pull has taken. */
  get reserved(): number {
    return this.#pulling;
  }

  get wanted(): boolean {
    return this.#wanted && this.#pulling === 0 && this.#isReady;
  }

  /** How long the server waits for a sign of life. Smaller than the lease where another process wants it so. */
  get ackWaitMs(): number {
    return this.#ackWaitMs;
  }

  /** A process of this time may have put something into it. */
  wake(): void {
    if (this.#pulling > 0) this.#again = true;
    this.#wanted = true;
  }

  /** Resolves when the consumer is there. */
  prepare(): Promise<void> {
    this.#ready ??= this.#ensureConsumer().then(
      () => {
        this.#isReady = true;
      },
      (error: unknown) => {
        this.#ready = undefined;
        throw error;
      },
    );
    return this.#ready;
  }

  /** Asks for what is there now, up to `limit`. */
  pull(limit: number): void {
    const { link, clock, perKey } = this.#options;
    const isFree = this.partition === freePartition;
    const batch = isFree ? limit : Math.min(limit, perKey);
    this.#wanted = false;
    this.#again = false;
    this.#pulling = batch;
    this.#timer = clock.setTimer(pullTimeoutMs, () => {
      this.#end(true);
      this.#forget();
    });
    // While a partition is occupied, a pull that may not wait would be parked by the server without end.
    const patience = isFree ? {} : { expires: nanos(keyedPullMs) };
    try {
      link.send(this.#pullSubject, JSON.stringify({ batch, no_wait: true, ...patience }), this.#inbox);
    } catch {
      this.#end(true);
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#subscription.unsubscribe();
  }

  #receive(message: Msg): void {
    if (message.reply?.startsWith("$JS.ACK.")) {
      const last = this.#pulling === 1;
      if (this.#pulling > 0) this.#pulling--;
      this.#options.onMessage(message, this);
      // A full answer: there may be more.
      if (last) this.#end(true);
      return;
    }
    const { code = 503, description = "" } = message.headers ?? {};
    // 404: nothing there; 408: not as much as was asked for, or the time is up.
    if (code !== 404 && code !== 408) this.#options.logger.debug("a pull was refused", { code, description });
    const isLost = description.startsWith("Consumer");
    if (this.#pulling > 0) this.#end(isLost);
    if (isLost) this.#forget();
  }

  #end(more: boolean): void {
    this.#timer?.cancel();
    this.#pulling = 0;
    this.#wanted ||= more || this.#again;
    this.#options.onEnd();
  }

  /** Where somebody deleted the consumer, deliveries that it had handed out come again. */
  #forget(): void {
    if (!this.#isReady) return;
    this.#isReady = false;
    this.#ready = undefined;
    this.#options.onLost(this);
  }

  async #ensureConsumer(): Promise<void> {
    const { link, names, subscriber, leaseMs, perKey } = this.#options;
    const { consumers } = link.manager;
    const name = durableName(subscriber, this.partition);
    const maxAckPending = this.partition === freePartition ? freeAckPending : perKey;
    const found = await findConsumer(link, names, name);
    if (!found) {
      await consumers.add(names.stream, {
        durable_name: name,
        filter_subject: subjectsOf(names, subscriber, this.partition),
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        ack_wait: nanos(leaseMs),
        max_ack_pending: maxAckPending,
        max_deliver: -1,
      });
      this.#ackWaitMs = leaseMs;
      return;
    }
    const current = Number(found.config.ack_wait ?? nanos(leaseMs)) / 1_000_000;
    // Whoever relies on a short lease is served; it is prolonged only while nobody holds anything.
    const ackWaitMs = found.num_ack_pending === 0 ? leaseMs : Math.min(current, leaseMs);
    if (ackWaitMs !== current || found.config.max_ack_pending !== maxAckPending)
      await consumers.update(names.stream, name, { ack_wait: nanos(ackWaitMs), max_ack_pending: maxAckPending });
    this.#ackWaitMs = ackWaitMs;
  }
}

export async function findConsumer(link: Link, names: Names, name: string): Promise<ConsumerInfo | undefined> {
  try {
    return await link.manager.consumers.info(names.stream, name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound) return undefined;
    throw error;
  }
}
