import { type Clock, type Logger, retry } from "@signalbox/kernel";
import type { SettlementKind } from "./dispatch-log.js";
import type { DeliveryEnd } from "./end-delivery.js";
import { type EventBlobs, letterHolder } from "./event-blobs.js";
import { dataRefOf } from "./handled-items.js";
import type { Limits } from "./limits.js";
import type { StoreMetrics } from "./metrics.js";
import type { Outbox } from "./outbox/outbox.js";
import type { NewDeadLetter, Records } from "./records/records.js";
import type { Lease, SettleItem, SettleResult, Transport } from "./transports/transport.js";

export interface SettlerOptions {
  readonly transport: Transport;
  readonly records: Records;
  readonly eventBlobs: EventBlobs | undefined;
  readonly outbox: Outbox | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StoreMetrics;
  readonly limits: Limits;
  /** Pauses the subscriber in every process. */
  readonly pause: () => Promise<void>;
  /** The lease is nobody's any more: settled, or given up and left to run out. */
  readonly onEnd: (lease: Lease, kind: SettlementKind) => void;
  /** A round of settlements is over. */
  readonly onRound: () => void;
}

/** Brings the ends of deliveries to the transport: those of one turn of the event loop together. */
export class Settler {
  readonly #options: SettlerOptions;
  readonly #givenUp = new AbortController();
  #plain: DeliveryEnd[] = [];
  #unsettled = 0;
  readonly #underway = new Set<Promise<unknown>>();

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** Ended deliveries that the transport does not know to be. */
  get unsettled(): number {
    return this.#unsettled;
  }

  add(ends: readonly DeliveryEnd[]): void {
    this.#unsettled += ends.length;
    for (const end of ends) {
      // What needs a record first goes its own way, so that it holds up nobody.
      if (end.letters.length > 0 || end.pause || end.hasBlobs || replayedLetter(end) !== undefined)
        this.#track(this.#settleRecorded(end));
      else {
        if (this.#plain.length === 0) setImmediate(() => this.#flush());
        this.#plain.push(end);
      }
    }
  }

  handBack(leases: readonly Lease[]): void {
    if (leases.length === 0) return;
    this.#track(
      this.#settle(
        leases.map((lease) => ({ lease, settlement: { kind: "hand_back" } })),
        "handed_back",
      ),
    );
  }

  /** Settles deliveries that were handled before. */
  drop(leases: readonly Lease[]): void {
    if (leases.length === 0) return;
    this.#track(
      this.#settle(
        leases.map((lease) => ({ lease, settlement: { kind: "done" } })),
        "discarded",
      ),
    );
  }

  /** Resolves when nothing is on its way. */
  async idle(): Promise<void> {
    while (this.#plain.length > 0 || this.#underway.size > 0) {
      this.#flush();
      await Promise.all(this.#underway);
    }
  }

  /** No longer repeats what an engine refuses that is away. */
  giveUp(): void {
    this.#givenUp.abort();
  }

  #flush(): void {
    const ends = this.#plain;
    if (ends.length === 0) return;
    this.#plain = [];
    this.#track(this.#settleEnds(ends));
  }

  /** Write, then settle: a crash in between repeats the write, which changes nothing. */
  async #settleRecorded(end: DeliveryEnd): Promise<void> {
    const { records, metrics, pause } = this.#options;
    const { letters } = end;
    const replayed = replayedLetter(end);
    const written = await this.#insist(async () => {
      for (const letter of letters) await this.#holdBlob(letter);
      if (letters.length > 0) await records.deadLetters.write(letters);
      if (replayed !== undefined) await records.deadLetters.resolve([replayed]);
      if (end.pause) await pause();
      return true;
    });
    if (!written) {
      this.#unsettled--;
      this.#options.onEnd(end.lease, "lease_lost");
      return;
    }
    const subscription = metrics.labelOf(end.lease.subscription);
    for (const { reason } of letters) {
      metrics.deadLetters.add(1, { subscription, reason });
      if (isReplay(end)) metrics.replays.add(1, { subscription, result: "dead" });
    }
    if (replayed !== undefined) metrics.replays.add(1, { subscription, result: "resolved" });
    const [result] = (await this.#settleEnds([end])) ?? [];
    // A retry needs the data again, and so does whoever has the delivery when its lease was lost here.
    const isOver = end.settlement.kind === "done" || end.settlement.kind === "dead";
    if (end.hasBlobs && isOver && result === "settled") await this.#options.eventBlobs?.release(end.lease.deliveryId);
    if (replayed !== undefined) await this.#options.eventBlobs?.release(letterHolder(replayed));
  }

  async #holdBlob(letter: NewDeadLetter): Promise<void> {
    const blob = dataRefOf(JSON.parse(letter.event));
    if (blob !== undefined) await this.#options.eventBlobs?.hold(blob, letterHolder(letter.id));
  }

  async #settleEnds(ends: readonly DeliveryEnd[]): Promise<readonly SettleResult[] | undefined> {
    try {
      return await this.#settle(ends);
    } finally {
      this.#unsettled -= ends.length;
    }
  }

  async #settle(
    items: readonly (SettleItem & { readonly kind?: SettlementKind })[],
    kind?: SettlementKind,
  ): Promise<readonly SettleResult[] | undefined> {
    const { transport, outbox, onEnd, onRound } = this.#options;
    const handled = outbox ? items.filter(isHandledFromOutbox).map(({ lease }) => lease.deliveryId) : [];
    const results = await this.#insist(async () => {
      // Remembered before it is settled: a second copy finds it, whenever it comes.
      if (outbox && handled.length > 0) await outbox.rememberHandled(handled);
      return transport.settle(items);
    });
    for (const [index, item] of items.entries())
      onEnd(item.lease, results?.[index] === "settled" ? (item.kind ?? kind ?? "done") : "lease_lost");
    onRound();
    return results;
  }

  /** Leases are kept alive meanwhile. `undefined` when it was given up: the deliveries will be handled again. */
  async #insist<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#options.logger.warn("a delivery could not be settled yet", { error });
    }
    const { clock, limits, logger, metrics } = this.#options;
    const maxAttempts = Math.ceil(limits.leaseMs / 500) + 3;
    try {
      return await retry(work, { clock, baseMs: 100, maxMs: 1_000, maxAttempts, signal: this.#givenUp.signal });
    } catch (error) {
      metrics.transportErrors.add(1, { operation: "settle", code: "EVT_TRANSPORT_UNAVAILABLE" });
      logger.error("a delivery could not be settled; it will be handled again", { error });
      return undefined;
    }
  }

  #track(work: Promise<unknown>): void {
    this.#underway.add(work);
    const forget = (): void => void this.#underway.delete(work);
    work.then(forget, (error: unknown) => {
      forget();
      this.#options.logger.error("a delivery could not be settled", { error });
    });
  }
}

function isHandledFromOutbox({ lease, settlement: { kind } }: SettleItem): boolean {
  return lease.outbox === true && (kind === "done" || kind === "dead");
}

/** A replayed delivery says so in its id; its letter is known by the event and the subscription. */
function replayedLetter(end: DeliveryEnd): string | undefined {
  if ((end.kind !== "done" && end.kind !== "discarded") || !isReplay(end)) return undefined;
  return end.lease.deliveryId.slice(0, end.lease.deliveryId.lastIndexOf(".r"));
}

function isReplay({ lease: { deliveryId, subscription } }: DeliveryEnd): boolean {
  if (deliveryId.endsWith(subscription)) return false;
  const end = deliveryId.lastIndexOf(".r");
  return deliveryId.endsWith(`.${subscription}`, end) && /^\d+$/.test(deliveryId.slice(end + 2));
}
