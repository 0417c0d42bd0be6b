import { backoffCeilingMs, type Clock, type Logger, type Timer } from "@signalbox/kernel";
import { atRoot } from "../at-root.js";
import type { Transport } from "../transports/transport.js";
import { type Outbox, type OutboxClaim, type OutboxRow, outboxChannel } from "./outbox.js";

export interface ForwarderOptions {
  readonly outbox: Outbox;
  readonly transport: Transport;
  /** Resolves when the transport can be used. */
  readonly open: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pollMs: number;
  readonly onForwarded: (count: number) => void;
}

const rowsAtOnce = 256;
/** Longer than a transport may take to answer. */
const leaseMs = 10_000;
const backoff = { baseMs: 100, maxMs: 30_000 } as const;
const keepForwardedMs = 60_000;
const purgeEveryMs = 5_000;
const purgeRows = 1_000;
/** Transports recognise a repetition for twice this long at least; afterwards they are asked first. */
const trustedForMs = 60_000;

/**
 * Brings what transactions have published to the transport: what is due first first, each delivery at least once, and with
 * the transport's and the runner's help not twice. Several processes may do it side by side.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  #unlisten: (() => void) | undefined;
  #poll: Timer | undefined;
  #purge: Timer | undefined;
  #running: Promise<void> | undefined;
  #wanted = false;
  #failures = 0;
  #pause: AbortController | undefined;
  #stopped = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** Repeatable. */
  start(): void {
    if (this.#unlisten || this.#stopped) return;
    const { outbox } = this.#options;
    atRoot(() => {
      this.#unlisten = outbox.database.listen(outboxChannel, () => this.wake());
      this.#armPoll();
      this.#armPurge();
    });
    this.wake();
  }

  wake(): void {
    if (this.#stopped) return;
    this.#wanted = true;
    this.#running ??= atRoot(() => this.#forwardAll()).finally(() => {
      this.#running = undefined;
      if (this.#wanted) this.wake();
    });
  }

  /** What is being forwarded is brought to its end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unlisten?.();
    this.#poll?.cancel();
    this.#purge?.cancel();
    this.#pause?.abort();
    await this.#running;
  }

  #armPoll(): void {
    const { clock, pollMs } = this.#options;
    this.#poll = clock.setTimer(pollMs, () => {
      this.wake();
      if (!this.#stopped) this.#armPoll();
    });
  }

  #armPurge(): void {
    const { clock, outbox, logger } = this.#options;
    this.#purge = clock.setTimer(purgeEveryMs, () => {
      outbox
        .purge(clock.nowMs() - keepForwardedMs, purgeRows)
        .catch((error: unknown) => logger.debug("the outbox could not be tidied", { error }))
        .finally(() => {
          if (!this.#stopped) this.#armPurge();
        });
    });
  }

  async #forwardAll(): Promise<void> {
    while (this.#wanted && !this.#stopped) {
      this.#wanted = false;
      try {
        await this.#options.open();
        const claim = await this.#options.outbox.claim(rowsAtOnce, leaseMs);
        if (claim.rows.length > 0) await this.#forward(claim);
        this.#wanted ||= claim.rows.length === rowsAtOnce;
        this.#failures = 0;
      } catch (error) {
        await this.#rest(error);
      }
    }
  }

  async #forward({ number, rows }: OutboxClaim): Promise<void> {
    const { outbox, transport, onForwarded } = this.#options;
    try {
      const there = await this.#alreadyThere(rows);
      const missing = rows.filter((row) => !there.has(row));
      if (missing.length > 0) await transport.enqueue(missing.map(({ delivery }) => delivery));
    } catch (error) {
      // What of it got through is recognised when it is forwarded again.
      await outbox.giveUp(number);
      throw error;
    }
    await outbox.forwarded(number, rows);
    onForwarded(rows.length);
  }

  /** A forward that broke off long ago may have succeeded, and the transport no longer knows the id by itself. */
  async #alreadyThere(rows: readonly OutboxRow[]): Promise<ReadonlySet<OutboxRow>> {
    const { outbox, transport, clock } = this.#options;
    const untilMs = clock.nowMs() - trustedForMs;
    const doubtful = rows.filter(({ doubtfulSinceMs }) => doubtfulSinceMs !== null && doubtfulSinceMs < untilMs);
    if (doubtful.length === 0) return new Set();
    const ids = doubtful.map(({ delivery }) => delivery.id);
    const waiting = new Set(await transport.unsettled(ids));
    const handled = await outbox.handled(ids);
    return new Set(doubtful.filter(({ delivery: { id } }) => waiting.has(id) || handled.has(id)));
  }

  /** The transport or the database is away; rows wait meanwhile, in order. */
  async #rest(error: unknown): Promise<void> {
    const { clock, logger } = this.#options;
    this.#failures++;
    if (this.#failures === 1) logger.warn("the outbox could not be forwarded; it waits", { error });
    this.#wanted = true;
    this.#pause = new AbortController();
    await clock.sleep(backoffCeilingMs(this.#failures, backoff), { signal: this.#pause.signal }).catch(() => {});
  }
}
