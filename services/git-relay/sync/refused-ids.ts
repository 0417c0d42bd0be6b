import type { Clock } from "@signalbox/kernel";

const rememberedMs = 24 * 3_600_000;
const maxIds = 50_000;

/** Ids that a peer claims to have and does not give, so that it is not asked for them again and again. */
export class RefusedIds {
  /** Until when, in Unix milliseconds; oldest first. */
  readonly #ids = new Map<string, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(ids: Iterable<string>): void {
    for (const id of ids) {
      this.#ids.delete(id);
      this.#ids.set(id, this.#clock.nowMs() + rememberedMs);
    }
    for (const id of this.#ids.keys()) {
      if (this.#ids.size <= maxIds && this.has(id)) break;
      this.#ids.delete(id);
    }
  }

  has(id: string): boolean {
    const until = this.#ids.get(id);
    return until !== undefined && until > this.#clock.nowMs();
  }

  clear(): void {
    this.#ids.clear();
  }
}
