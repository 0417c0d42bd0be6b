import type { Batch } from "./batches.js";
import type { PeerContext } from "./peer-context.js";
import type { PeerUrl } from "./ports.js";
import type { BatchResult, ConnectionStatus } from "./snapshot.js";
import { isOpen } from "./status.js";

/** Tells those who watch what happens to one peer, as long as there is that peer. */
export class PeerVoice {
  readonly #url: PeerUrl;
  readonly #context: PeerContext;
  #toldHealth: string | undefined;
  #isSilent = false;

  constructor(url: PeerUrl, context: PeerContext) {
    this.#url = url;
    this.#context = context;
  }

  /** Nothing is told from now on. */
  end(): void {
    this.#isSilent = true;
  }

  transition(from: ConnectionStatus, to: ConnectionStatus, cause: string): void {
    if (this.#isSilent) return;
    const { clock, observer, logger } = this.#context;
    logger.info("a peer changed its status", { relay: this.#url, from, to, cause });
    observer.transition(this.#url, from, to, cause, clock.nowMs());
  }

  /** Tells the health when it is another than before. */
  health(status: ConnectionStatus): void {
    const { health, observer } = this.#context;
    const state = health.state(this.#url, isOpen(status));
    const failures = health.failures(this.#url);
    const told = `${state} ${failures}`;
    if (told === this.#toldHealth || this.#isSilent) return;
    this.#toldHealth = told;
    observer.healthChanged(this.#url, state, failures);
  }

  pending(count: number): void {
    if (!this.#isSilent) this.#context.observer.pendingBatches(this.#url, count);
  }

  batch(batch: Batch, result: BatchResult): void {
    const { clock, observer } = this.#context;
    const seconds = (clock.nowMs() - batch.startedAtMs) / 1_000;
    observer.batch(this.#url, batch.portion.layer, batch.method, result, seconds);
  }
}
