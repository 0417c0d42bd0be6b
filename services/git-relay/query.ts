import type { Filter } from "@signalbox/nostr";
import { openSearch, type RankedPosition, type SearchStream, searchWords } from "./search.js";
import type { EventPosition, EventStream, RelayEvents, StreamOptions } from "./store/port.js";
import { comesBefore } from "./store/stream.js";

export interface QueryLimits {
  /** Stored events for a filter that names no limit, and at most. */
  readonly defaultLimit: number;
  readonly maxLimit: number;
}

export interface StoredPart {
  /** Newest first, each once. */
  readonly positions: readonly EventPosition[];
  /** Whether that is everything that matches; nothing when no stored events were asked for. */
  readonly hint: "finish" | "more" | undefined;
}

/** How many further events of one second are sent, so that a page does not end within it. */
const maxSameSecond = 1_000;

/** The stored events for some filters. Stops with an empty part when `isCancelled` says so. */
export async function queryStored(
  events: RelayEvents,
  filters: readonly Filter[],
  options: StreamOptions & { readonly limits: QueryLimits; readonly isCancelled: () => boolean },
): Promise<StoredPart> {
  const parts: TakenPart[] = [];
  for (const filter of filters) {
    if (filter.limit === 0) continue;
    parts.push(await takePart(events, filter, options));
    if (options.isCancelled()) return { positions: [], hint: undefined };
  }
  if (parts.length === 0) return { positions: [], hint: undefined };
  const lists = parts.map((part) => part.positions);
  // What a search has found stands in an order of its own.
  const isSearch = filters.some((filter) => searchWords(filter).length > 0);
  return {
    positions: lists.length === 1 ? (lists[0] ?? []) : isSearch ? concatenate(lists) : mergePositions(lists),
    hint: parts.every(({ complete }) => complete) ? "finish" : "more",
  };
}

interface TakenPart {
  readonly positions: readonly EventPosition[];
  readonly complete: boolean;
}

async function takePart(
  events: RelayEvents,
  filter: Filter,
  options: Parameters<typeof queryStored>[2],
): Promise<TakenPart> {
  const { limits } = options;
  const serverLimit = filter.ids
    ? filter.ids.size
    : Math.min(limits.maxLimit, filter.limit === undefined ? limits.defaultLimit : Number.POSITIVE_INFINITY);
  const limit = Math.min(serverLimit, filter.limit ?? serverLimit);
  const cutByServer = filter.limit === undefined || filter.limit >= serverLimit;
  const words = searchWords(filter);
  if (words.length > 0) return takeBest(openSearch(events, filter, words, options), limit, options.isCancelled);
  const stream = events.stream(filter, { ...options, pageSize: Math.min(500, limit + 1) });
  const taken: EventPosition[] = [];
  let wanted = limit;
  for (;;) {
    const page = await stream.next();
    if (page.length === 0 || options.isCancelled()) return { positions: taken, complete: true };
    for (const position of page) {
      if (taken.length >= wanted) {
        const boundary = taken.at(-1);
        const sameSecond = cutByServer && boundary?.createdAt === position.createdAt;
        if (!sameSecond || taken.length >= limit + maxSameSecond) return { positions: taken, complete: false };
        wanted++;
      }
      taken.push(position);
    }
  }
}

/** The best matches of a search, the newest of equal ones first. */
async function takeBest(search: SearchStream, limit: number, isCancelled: () => boolean): Promise<TakenPart> {
  const found: RankedPosition[] = [];
  for (let page = await search.next(); page.length > 0 && !isCancelled(); page = await search.next())
    found.push(...page);
  found.sort((one, other) => other.rank - one.rank || (comesBefore(one, other) ? -1 : 1));
  return { positions: found.slice(0, limit), complete: found.length <= limit && !search.isCut };
}

/** One list after the other, each event once. */
function concatenate(lists: readonly (readonly EventPosition[])[]): EventPosition[] {
  return [...new Map(lists.flat().map((position) => [position.id, position])).values()];
}

/** One list in the order of results, each event once. */
function mergePositions(lists: readonly (readonly EventPosition[])[]): EventPosition[] {
  const all = lists.flat().sort((one, other) => (comesBefore(one, other) ? -1 : one.id === other.id ? 0 : 1));
  return all.filter(({ id }, index) => id !== all[index - 1]?.id);
}

export interface Counted {
  readonly count: number;
  /** The counting was ended at the limit. */
  readonly approximate: boolean;
}

/** How many stored events match one of the filters, each counted once; limits of the filters play no part. */
export async function countMatches(
  events: RelayEvents,
  filters: readonly Filter[],
  options: StreamOptions & { readonly maxCount: number; readonly isCancelled: () => boolean },
): Promise<Counted> {
  const cursors: StreamCursor[] = [];
  for (const filter of filters) {
    const words = searchWords(filter);
    const stream = words.length > 0 ? openSearch(events, filter, words, options) : events.stream(filter, options);
    const cursor = new StreamCursor(stream);
    if (await cursor.advance()) cursors.push(cursor);
  }
  let count = 0;
  let last: string | undefined;
  while (cursors.length > 0 && !options.isCancelled()) {
    if (cursors.length === 1 && cursors[0]) {
      // The usual case: whole pages.
      count += cursors[0].takePage(last);
      last = cursors[0].lastId;
      if (!(await cursors[0].advance())) cursors.pop();
    } else {
      const first = cursors.reduce((one, other) => (comesBefore(other.head, one.head) ? other : one));
      if (first.head.id !== last) count++;
      last = first.head.id;
      if (!(await first.advance())) cursors.splice(cursors.indexOf(first), 1);
    }
    if (count > options.maxCount) return { count: options.maxCount, approximate: true };
  }
  return { count, approximate: false };
}

const nowhere: EventPosition = { id: "", createdAt: Number.NEGATIVE_INFINITY };

/** Walks through a stream position by position, or page by page. */
class StreamCursor {
  readonly #stream: EventStream;
  #page: readonly EventPosition[] = [];
  #place = -1;

  constructor(stream: EventStream) {
    this.#stream = stream;
  }

  get head(): EventPosition {
    return this.#page[this.#place] ?? nowhere;
  }

  get lastId(): string | undefined {
    return this.#page.at(-1)?.id;
  }

  /** False at the end. */
  async advance(): Promise<boolean> {
    this.#place++;
    if (this.#place < this.#page.length) return true;
    this.#page = await this.#stream.next();
    this.#place = 0;
    return this.#page.length > 0;
  }

  /** How many positions of the page are left, without the one that was counted already. */
  takePage(counted: string | undefined): number {
    const left = this.#page.length - this.#place;
    const repeats = this.head.id === counted ? 1 : 0;
    this.#place = this.#page.length - 1;
    return left - repeats;
  }
}
