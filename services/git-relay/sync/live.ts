import type { FilterJson } from "@signalbox/nostr";
import { cut, filtersOf, minFilterValues, type Portion } from "./filters.js";
import type { Conversation, PeerLink } from "./link.js";
import { isRateLimitNotice, isRateLimitRefusal } from "./rate-limit.js";
import { isFilterRefusal } from "./request.js";

interface LiveSubscription {
  readonly portions: readonly Portion[];
  conversation: Conversation | undefined;
  /** The peer has answered: it knows of it. */
  isHeard: boolean;
  refusals: number;
  authenticated: boolean;
}

export interface LiveOptions {
  readonly link: PeerLink;
  /** Ends with the connection. */
  readonly signal: AbortSignal;
  readonly sleep: (delayMs: number) => Promise<void>;
  /** The peer takes no filters with so many values. */
  onFilterRefused(values: number): void;
}

/** Filters of one subscription that several portions share. */
const filtersTogether = 9;
const firstRetryMs = 60_000;
const lastRetryMs = 3_600_000;

/** The subscriptions of a connection that ask for what comes, each portion in one of them. */
export class LiveSubscriptions {
  readonly #options: LiveOptions;
  #subscriptions = new Set<LiveSubscription>();
  #takesGroups = true;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#subscriptions.size;
  }

  /** Whether the peer takes several portions in one subscription, as far as we know. */
  get takesGroups(): boolean {
    return this.#takesGroups;
  }

  /** Subscribes, each portion for itself. They are sent in order, at once unless the peer needs a rest. */
  add(portions: readonly Portion[]): void {
    for (const portion of portions) this.#open([portion]);
  }

  /** Subscribes, as many portions as possible in one subscription. */
  addTogether(portions: readonly Portion[]): void {
    for (const together of groupPortions(portions)) this.#open(together);
  }

  /** Subscribes to the portions in few subscriptions, and only then ends those of before. */
  async replace(portions: readonly Portion[]): Promise<void> {
    const before = this.#subscriptions;
    this.#subscriptions = new Set();
    this.addTogether(portions);
    // The new ones may have to wait for the end of a rest.
    await this.#options.link.passable(this.#options.signal);
    for (const subscription of before) this.#close(subscription);
  }

  clear(): void {
    const before = this.#subscriptions;
    this.#subscriptions = new Set();
    for (const subscription of before) this.#close(subscription);
  }

  #open(portions: readonly Portion[]): void {
    const subscription: LiveSubscription = {
      portions,
      conversation: undefined,
      isHeard: false,
      refusals: 0,
      authenticated: false,
    };
    this.#subscriptions.add(subscription);
    void this.#subscribe(subscription);
  }

  async #subscribe(subscription: LiveSubscription): Promise<void> {
    const { link, signal } = this.#options;
    try {
      await link.passable(signal);
    } catch {
      return;
    }
    if (!this.#subscriptions.has(subscription)) return;
    const again = (reason: string): void => {
      conversation.end();
      subscription.conversation = undefined;
      // It rejects only when the connection ends.
      void this.#onClosed(subscription, reason).catch(() => {});
    };
    const conversation = link.converse("l", (message) => {
      if (message.verb === "CLOSED") again(message.reason);
      else if (message.verb !== "NOTICE") subscription.isHeard = true;
      else if (!subscription.isHeard && isRateLimitNotice(message.text)) {
        // Whom it means it does not say: perhaps the subscription was passed over.
        conversation.send("CLOSE");
        again(`rate-limited: ${message.text}`);
      }
    });
    subscription.conversation = conversation;
    subscription.isHeard = false;
    conversation.send("REQ", ...subscription.portions.flatMap(liveFilters));
  }

  async #onClosed(subscription: LiveSubscription, reason: string): Promise<void> {
    const { link, signal, sleep, onFilterRefused } = this.#options;
    const largest = Math.max(...subscription.portions.map(({ values }) => values.length));
    if (isFilterRefusal(reason) && (largest > minFilterValues || subscription.portions.length > 1)) {
      const isGroup = subscription.portions.length > 1;
      this.#subscriptions.delete(subscription);
      if (isGroup) this.#takesGroups = false;
      else onFilterRefused(largest);
      for (const portion of subscription.portions) this.add(isGroup ? [portion] : halves(portion));
      return;
    }
    if (reason.startsWith("auth-required:") && !subscription.authenticated) {
      subscription.authenticated = true;
      await link.authenticated(signal);
    } else if (!isRateLimitRefusal(reason)) {
      await sleep(Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(subscription.refusals, 10)));
      subscription.refusals++;
    }
    if (this.#subscriptions.has(subscription)) await this.#subscribe(subscription);
  }

  #close(subscription: LiveSubscription): void {
    subscription.conversation?.send("CLOSE");
    subscription.conversation?.end();
    subscription.conversation = undefined;
  }
}

function halves(portion: Portion): readonly Portion[] {
  return cut(portion, Math.max(minFilterValues, Math.ceil(portion.values.length / 2)));
}

function liveFilters(portion: Portion): readonly FilterJson[] {
  return filtersOf(portion).map((filter) => ({ ...filter, limit: 0 }));
}

/** Puts portions together, as many as one subscription takes. */
export function groupPortions(portions: readonly Portion[]): readonly (readonly Portion[])[] {
  const groups: { portions: Portion[]; filters: number }[] = [];
  for (const portion of portions) {
    const filters = filtersOf(portion).length;
    const last = groups.at(-1);
    if (last && last.filters + filters <= filtersTogether) {
      last.portions.push(portion);
      last.filters += filters;
    } else groups.push({ portions: [portion], filters });
  }
  return groups.map((each) => each.portions);
}
