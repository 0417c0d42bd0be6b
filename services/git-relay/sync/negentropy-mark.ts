import type { PeerContext } from "./peer-context.js";
import type { PeerUrl } from "./ports.js";
import type { SyncMethod } from "./snapshot.js";

const markedMs = 24 * 3_600_000;

/** Remembers for a day that a peer cannot reconcile, whatever it says of itself. */
export class NegentropyMark {
  readonly #url: PeerUrl;
  readonly #context: Pick<PeerContext, "clock" | "config" | "logger">;
  #mark: { readonly until: number; readonly reason: string } | undefined;

  constructor(url: PeerUrl, context: PeerContext) {
    this.#url = url;
    this.#context = context;
  }

  /** Unix milliseconds. */
  get until(): number | null {
    return this.#mark?.until ?? null;
  }

  get reason(): string | null {
    return this.#mark?.reason ?? null;
  }

  /** How a batch is to be done. @param since only what is newer is asked for */
  methodFor(since: number | undefined): SyncMethod {
    return this.#context.config.negentropy && since === undefined && !this.#isSet() ? "negentropy" : "req_eose";
  }

  set(reason: string): void {
    if (this.#isSet()) return;
    const { clock, logger } = this.#context;
    this.#mark = { until: clock.nowMs() + markedMs, reason };
    logger.warn("a peer cannot reconcile, its history is read in pages", { relay: this.#url, reason });
  }

  clear(): void {
    this.#mark = undefined;
  }

  restore(until: number | null, reason: string | null): void {
    if (until !== null) this.#mark = { until, reason: reason ?? "" };
  }

  #isSet(): boolean {
    return this.#mark !== undefined && this.#mark.until > this.#context.clock.nowMs();
  }
}
