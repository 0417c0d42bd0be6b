import type { FilterJson } from "@signalbox/nostr";
import type { OutstandingSubscription } from "./snapshot.js";

/** What is known of how many events a peer sends at once; shared by all pages of a connection, and learnt by them. */
export interface PageLimits {
  /** The peer's own statement, or what pages taught. */
  cap: number | undefined;
  /** Whether a peer that states nothing was asked for one page more than seemed needed. */
  probed: boolean;
  /** The peer says itself whether there is more (NIP-67). */
  hints: boolean;
}

/** A page with so many events may have been cut, whatever the peer. */
const suspiciousCount = 75;
const secondLimit = 5_000;

export type EndHint = "finish" | "more" | undefined;

interface Page {
  readonly kind: "page" | "probe" | "second";
  /** What it was asked with; inclusive. */
  readonly until: number | undefined;
}

/**
 * Reads everything that matches a filter, page by page, newest first, from a peer that cuts its answers anywhere. Pure:
 * it says what to ask and takes note of what came. `until` falls at least every second page, so it ends.
 */
export class Pager implements OutstandingSubscription {
  readonly filter: FilterJson;
  readonly #limits: PageLimits;
  #page: Page;
  #received = 0;
  #fresh = 0;
  /** Of this page. */
  #smallest = Number.POSITIVE_INFINITY;
  /** Ids at the second that the next page begins with: they come again. */
  #boundary = new Set<string>();
  #seen = 0;
  #pages = 0;
  #saturated = false;
  /** The count of the page before a probe. */
  #probedCount = 0;

  /** @param filter without `limit`; its `until` is where reading begins */
  constructor(filter: FilterJson, limits: PageLimits) {
    this.filter = filter;
    this.#limits = limits;
    const until = filter["until"];
    this.#page = { kind: "page", until: typeof until === "number" ? until : undefined };
  }

  get received(): number {
    return this.#received;
  }

  get smallestCreatedAt(): number | null {
    return Number.isFinite(this.#smallest) ? this.#smallest : null;
  }

  get idsAtSmallest(): ReadonlySet<string> {
    return this.#boundary;
  }

  /** Pages asked for and ended. */
  get pages(): number {
    return this.#pages;
  }

  /** Different events so far. */
  get seen(): number {
    return this.#seen;
  }

  /** More events of one second than the peer sends at once: some of them may be missing. */
  get saturated(): boolean {
    return this.#saturated;
  }

  /** The filter of the page to ask for now; the same until `end`. */
  get request(): FilterJson {
    const { kind, until } = this.#page;
    if (until === undefined) return this.filter;
    return kind === "second" ? { ...this.filter, since: until, until, limit: secondLimit } : { ...this.filter, until };
  }

  /** The page is asked for anew. */
  restart(): void {
    this.#received = 0;
    this.#fresh = 0;
    this.#smallest = Number.POSITIVE_INFINITY;
  }

  /** Takes note of an event of the page. What was not asked for does not count: it would lead nowhere. */
  take(id: string, createdAt: number): void {
    if (createdAt > (this.#page.until ?? Number.POSITIVE_INFINITY)) return;
    this.#received++;
    const isKnown = this.#boundary.has(id);
    if (!isKnown) {
      this.#fresh++;
      this.#seen++;
    }
    if (createdAt < this.#smallest) {
      // Ids of the second before stay known as long as pages go on within it.
      if (createdAt !== this.#page.until) this.#boundary = new Set();
      this.#smallest = createdAt;
    }
    if (createdAt === this.#smallest) this.#boundary.add(id);
  }

  /** The page is over. Says whether another one has to be asked for. */
  end(hint: EndHint): "done" | "more" {
    this.#pages++;
    if (hint) this.#limits.hints = true;
    const next = this.#page.kind === "second" ? this.#afterSecond(hint) : this.#afterPage(hint);
    this.restart();
    if (!next) return "done";
    this.#page = next;
    return "more";
  }

  #afterSecond(hint: EndHint): Page | undefined {
    const { until = 0 } = this.#page;
    if (hint !== "finish") this.#saturated = true;
    this.#boundary = new Set();
    return this.#reaches(until - 1) ? { kind: "page", until: until - 1 } : undefined;
  }

  #afterPage(hint: EndHint): Page | undefined {
    const { kind, until } = this.#page;
    if (kind === "probe" && this.#fresh > 0)
      this.#limits.cap = Math.min(this.#limits.cap ?? Number.POSITIVE_INFINITY, this.#probedCount);
    if (hint === "finish" || this.#received === 0) return undefined;
    const isCut = hint === "more" || (kind === "probe" && this.#fresh > 0) || this.#received >= this.#threshold;
    if (!isCut) return this.#probe();
    // Asking with the same `until` again would bring the same events again.
    if (this.#smallest === until) return { kind: "second", until };
    return { kind: "page", until: this.#smallest };
  }

  /** Asks a peer that states no limit once whether its short pages are cut, too. */
  #probe(): Page | undefined {
    const { cap, probed, hints } = this.#limits;
    if (probed || hints || cap !== undefined || this.#page.kind === "probe") return undefined;
    this.#limits.probed = true;
    this.#probedCount = this.#received;
    return { kind: "probe", until: this.#smallest };
  }

  get #threshold(): number {
    return Math.max(1, Math.min(suspiciousCount, this.#limits.cap ?? suspiciousCount));
  }

  #reaches(until: number): boolean {
    const since = this.filter["since"];
    return until >= (typeof since === "number" ? Math.max(0, since) : 0);
  }
}
