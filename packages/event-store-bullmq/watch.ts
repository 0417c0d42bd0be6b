import type { Timer } from "@signalbox/kernel";
import type { RedisParts } from "./parts.js";
import { lookAtQueues } from "./queue.js";

export interface QueueWatchOptions {
  readonly parts: RedisParts;
  readonly pollMs: number;
  /** Subscribers that are consumed here. */
  readonly consumed: () => readonly string[];
  /** Something of the subscriber is due. */
  readonly wake: (subscriber: string) => void;
}

/** Looks now and then for what nobody announces: due times, leases that ran out, limits that have room again. */
export class QueueWatch {
  readonly #options: QueueWatchOptions;
  #timer: Timer | undefined;
  #underway: Promise<void> | undefined;
  #stopped = false;

  constructor(options: QueueWatchOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stopped) return;
    const { parts, pollMs } = this.#options;
    this.#timer = parts.clock.setTimer(pollMs, () => {
      this.#underway = this.#look()
        .catch((error: unknown) => parts.logger.debug("the queues could not be looked after", { error }))
        .finally(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#underway;
  }

  async #look(): Promise<void> {
    const { parts, consumed, wake } = this.#options;
    const queues = consumed();
    if (queues.length === 0) return;
    for (const subscriber of await lookAtQueues(queues, parts)) wake(subscriber);
  }
}
