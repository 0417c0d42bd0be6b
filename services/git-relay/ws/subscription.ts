import type { Filter } from "@signalbox/nostr";
import type { EventPosition } from "../store/port.js";

export interface SubscriptionOptions {
  readonly id: string;
  readonly filters: readonly Filter[];
  send(text: string): void;
  /** Called when too many events came while stored ones were read. */
  onOverflow(): void;
}

/** Events that may wait for the end of the stored part. */
const maxHeldBack = 1_000;
const maxHeldBackBytes = 8 * 1024 * 1024;

/**
 * One REQ: first stored events, then EOSE, then what comes. An event that is stored meanwhile is sent exactly once: until
 * EOSE new ones are held back, and those that the stored part has brought are passed over.
 */
export class Subscription {
  readonly id: string;
  readonly filters: readonly Filter[];
  readonly #options: SubscriptionOptions;
  readonly #prefix: string;
  #heldBack: { readonly id: string; readonly raw: string }[] | undefined = [];
  #heldBackBytes = 0;
  #sentStored: Set<string> | undefined = new Set();
  ended = false;

  constructor(options: SubscriptionOptions) {
    this.id = options.id;
    this.filters = options.filters;
    this.#options = options;
    this.#prefix = `["EVENT",${JSON.stringify(options.id)},`;
  }

  sendStored({ id }: EventPosition, raw: string): void {
    this.#sentStored?.add(id);
    this.#send(raw);
  }

  /** Ends the stored part. */
  finishStored(hint: "finish" | "more" | undefined): void {
    if (this.ended) return;
    const held = this.#heldBack ?? [];
    this.#heldBack = undefined;
    this.#options.send(JSON.stringify(["EOSE", this.id, ...(hint === undefined ? [] : [[hint]])]));
    for (const { id, raw } of held) this.sendLive(id, raw);
  }

  /** What the stored part brought cannot come again. */
  forgetStored(): void {
    this.#sentStored = undefined;
  }

  sendLive(id: string, raw: string): void {
    if (this.ended || this.#sentStored?.has(id)) return;
    if (!this.#heldBack) {
      this.#send(raw);
      return;
    }
    this.#heldBack.push({ id, raw });
    this.#heldBackBytes += raw.length;
    if (this.#heldBack.length > maxHeldBack || this.#heldBackBytes > maxHeldBackBytes) this.#options.onOverflow();
  }

  #send(raw: string): void {
    if (!this.ended) this.#options.send(`${this.#prefix}${raw}]`);
  }
}
