import type { Engine } from "@signalbox/database";
import { type Filter, matchesNothing } from "@signalbox/nostr";
import { after, type IndexScan, planScans } from "./plan.js";
import type { EventPosition, EventStream, StreamOptions } from "./port.js";
import { type Fragment, joinFragments } from "./statement.js";

export interface PositionRow {
  readonly id: string;
  readonly created_at: number;
}

export interface StreamReader {
  readonly engine: Engine;
  /** Runs reading statements; the rows of each, in its order. */
  readEach(statements: readonly Fragment[]): Promise<readonly (readonly PositionRow[])[]>;
}

const maxPage = 500;
/** Pages that are fetched before others get a turn, or together from a server. */
const fetchesAtOnce = 32;

/** Whether `one` comes before `other` in results. */
export function comesBefore(one: EventPosition, other: EventPosition): boolean {
  return one.createdAt === other.createdAt ? one.id < other.id : one.createdAt > other.createdAt;
}

/** Merges the scans of a filter. What is read follows the length of the pages, not the number of matches. */
export function openStream(reader: StreamReader, filter: Filter, options: StreamOptions): EventStream {
  const pageSize = Math.min(maxPage, Math.max(1, options.pageSize ?? maxPage));
  const scans = matchesNothing(filter) ? [] : planScans(reader.engine, filter, options);
  const firstPage = Math.min(maxPage, Math.max(4, Math.ceil((2 * pageSize) / Math.max(1, scans.length))));
  /** Ascending by their next position, which is there for each of them. */
  const ready: ScanCursor[] = [];
  let hungry = scans.map((scan) => new ScanCursor(scan, Math.min(firstPage, pageSize + 1), options.after));
  let last: EventPosition | undefined;

  const fetch = async (): Promise<void> => {
    const waiting = hungry;
    hungry = [];
    for (let from = 0; from < waiting.length; from += fetchesAtOnce) {
      if (from > 0) await nextTurn();
      const some = waiting.slice(from, from + fetchesAtOnce);
      const pages = await reader.readEach(some.map((cursor) => cursor.statement()));
      for (const [index, cursor] of some.entries()) {
        cursor.take(pages[index] ?? []);
        place(ready, cursor);
      }
    }
  };

  return {
    async next() {
      const page: EventPosition[] = [];
      while (page.length < pageSize) {
        if (hungry.length > 0) await fetch();
        const cursor = ready.shift();
        const position = cursor?.shift();
        if (!cursor || !position) break;
        if (cursor.head) place(ready, cursor);
        else if (!cursor.ended) hungry.push(cursor);
        // Scans overlap when an event has several of the values.
        if (last?.id === position.id) continue;
        last = position;
        page.push(position);
      }
      return page;
    },
  };
}

/** Puts a cursor where its next position belongs; one without a position is done. */
function place(ready: ScanCursor[], cursor: ScanCursor): void {
  const { head } = cursor;
  if (!head) return;
  let low = 0;
  let high = ready.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = ready[middle]?.head;
    if (other && comesBefore(other, head)) low = middle + 1;
    else high = middle;
  }
  ready.splice(low, 0, cursor);
}

/** Reads one scan page by page, larger pages as it goes on. */
class ScanCursor {
  readonly #scan: IndexScan;
  #pageSize: number;
  #after: EventPosition | undefined;
  #page: EventPosition[] = [];
  #taken = 0;
  ended = false;

  constructor(scan: IndexScan, pageSize: number, start: EventPosition | undefined) {
    this.#scan = scan;
    this.#pageSize = pageSize;
    this.#after = start;
  }

  get head(): EventPosition | undefined {
    return this.#page[this.#taken];
  }

  shift(): EventPosition | undefined {
    return this.#page[this.#taken++];
  }

  /** Reads the next page. */
  statement(): Fragment {
    const { from, order, where } = this.#scan;
    const all = this.#after ? joinFragments([where, after(order, this.#after)], " and ") : where;
    return {
      sql: `${from} where ${all.sql} order by ${order}.created_at desc, ${order}.id limit ?`,
      values: [...all.values, this.#pageSize],
    };
  }

  take(rows: readonly PositionRow[]): void {
    this.ended = rows.length < this.#pageSize;
    this.#page = rows.map(({ id, created_at }) => ({ id, createdAt: created_at }));
    this.#taken = 0;
    this.#after = this.#page.at(-1) ?? this.#after;
    this.#pageSize = Math.min(maxPage, this.#pageSize * 4);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
