import { atRoot } from "../../at-root.js";

export interface GathererOptions<Item, Result> {
  /** Items that are performed together at most, unless one call brings more. */
  readonly maxItems: number;
  /** One result for each item, in order. All or nothing. */
  readonly perform: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** True when one of several calls may be to blame, so that each is worth a try of its own. */
  readonly isOnesFault: (error: unknown) => boolean;
}

interface WaitingCall<Item, Result> {
  readonly items: readonly Item[];
  readonly resolve: (results: readonly Result[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Performs the calls of one turn of the event loop together. Nobody waits for company: a lone call goes at the end of
 * its turn; load itself forms the groups.
 */
export class Gatherer<Item, Result> {
  readonly #options: GathererOptions<Item, Result>;
  #waiting: WaitingCall<Item, Result>[] = [];
  readonly #underway = new Set<Promise<void>>();
  #requested = false;

  constructor(options: GathererOptions<Item, Result>) {
    this.#options = options;
  }

  add(items: readonly Item[]): Promise<readonly Result[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ items, resolve, reject });
      if (this.#requested) return;
      this.#requested = true;
      atRoot(() => setImmediate(() => this.#flush()));
    });
  }

  /** Resolves when everything that was added is settled. */
  async drain(): Promise<void> {
    while (this.#waiting.length > 0 || this.#underway.size > 0) {
      if (this.#waiting.length > 0) this.#flush();
      await Promise.all(this.#underway);
    }
  }

  #flush(): void {
    this.#requested = false;
    const calls = this.#waiting;
    this.#waiting = [];
    let from = 0;
    while (from < calls.length) {
      let to = from;
      let count = 0;
      while (to < calls.length && (to === from || count + (calls[to]?.items.length ?? 0) <= this.#options.maxItems))
        count += calls[to++]?.items.length ?? 0;
      this.#track(this.#performTogether(calls.slice(from, to)));
      from = to;
    }
  }

  async #performTogether(calls: readonly WaitingCall<Item, Result>[]): Promise<void> {
    const items = itemsOf(calls);
    try {
      const results = await this.#options.perform(items);
      let from = 0;
      for (const call of calls) {
        const to = from + call.items.length;
        call.resolve(calls.length === 1 ? results : results.slice(from, to));
        from = to;
      }
    } catch (error) {
      if (calls.length > 1 && this.#options.isOnesFault(error))
        await Promise.all(calls.map((call) => this.#performTogether([call])));
      else for (const call of calls) call.reject(error);
    }
  }

  #track(work: Promise<void>): void {
    this.#underway.add(work);
    void work.finally(() => this.#underway.delete(work));
  }
}

function itemsOf<Item>(calls: readonly { readonly items: readonly Item[] }[]): readonly Item[] {
  const [only] = calls;
  if (only && calls.length === 1) return only.items;
  const items: Item[] = [];
  for (const call of calls) for (const item of call.items) items.push(item);
  return items;
}
