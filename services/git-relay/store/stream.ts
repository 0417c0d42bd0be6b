import type { Engine } from "@signalbox/database";
import { type Filter, matchesNothing } from "@signalbox/nostr";
import { after, type IndexScan, inSecondAfter, planScans } from "./plan.js";
import type { EventPosition, EventStream, StreamOptions } from "./port.js";
import { type Fragment, joinFragments } from "./statement.js";
import type { TurnBudget } from "./turn-budget.js";

export interface PositionRow {
  readonly id: string;
  readonly created_at: number;
  /** 1 for a row that the filter matches. */
  readonly fits: number;
}

export interface StreamReader {
  readonly engine: Engine;
  /** What is read counts there. */
  readonly turns: TurnBudget;
  /** Runs reading statements; the rows of each, in its order. */
  readEach(statements: readonly Fragment[]): Promise<readonly (readonly PositionRow[])[]>;
}

const maxPage = 500;
/** Statements and rows between which nobody else gets a turn; a server is asked for so much together. */
const statementsAtOnce = 32;
/** A statement of PostgreSQL has at most 65,535 values. SQLite sorts those of a list anew for each statement. */
const valuesAtOnce: Readonly<Record<Engine, number>> = { postgres: 30_000, sqlite: 4_000 };
const rowsAtOnce = 1_000;
/** What a statement costs, and how many of its values cost as much, in rows. */
const rowsOfStatement = 8;
const valuesOfRow = 16;

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

  const isCancelled = (): boolean => options.isCancelled?.() ?? false;

  /** Fetches until every scan that goes on has a next position, or nobody waits for it any more. */
  const fetch = async (): Promise<void> => {
    while (hungry.length > 0) {
      await reader.turns.room();
      if (isCancelled()) return;
      const some = takeSome(hungry, valuesAtOnce[reader.engine]);
      hungry = hungry.slice(some.length);
      const pages = await reader.readEach(some.map((cursor) => cursor.statement()));
      for (const [index, cursor] of some.entries()) {
        const rows = pages[index] ?? [];
        // Statements that find nothing count, too.
        const cost = rows.length + rowsOfStatement + cursor.valueCount / valuesOfRow;
        reader.turns.spend(cost);
        options.onRead?.(cost);
        cursor.take(rows);
        if (cursor.head) place(ready, cursor);
        else if (!cursor.ended) hungry.push(cursor);
      }
    }
  };

  return {
    async next() {
      const page: EventPosition[] = [];
      while (page.length < pageSize) {
        if (hungry.length > 0) await fetch();
        if (hungry.length > 0) return [];
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

/** The first of them, as many as one turn has time for. */
function takeSome(cursors: readonly ScanCursor[], maxValues: number): readonly ScanCursor[] {
  let rows = 0;
  let values = 0;
  let count = 0;
  for (const cursor of cursors) {
    rows += cursor.pageSize;
    values += cursor.valueCount;
    if (count > 0 && (rows > rowsAtOnce || values > maxValues || count === statementsAtOnce)) break;
    count++;
  }
  return cursors.slice(0, count);
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

/** For going on after a position, and for the size of the page. */
const maxOwnValues = 4;

/** Reads one scan page by page, larger pages as it goes on. */
class ScanCursor {
  readonly #scan: IndexScan;
  #pageSize: number;
  #after: EventPosition | undefined;
  /** A whole page was of one second: what is left of that is read first, since an index cannot go on within it otherwise. */
  #isWithinSecond = false;
  #page: EventPosition[] = [];
  #taken = 0;
  ended = false;

  constructor(scan: IndexScan, pageSize: number, start: EventPosition | undefined) {
    this.#scan = scan;
    this.#pageSize = Math.min(scan.maxRows, pageSize);
    this.#after = start;
  }

  /** Rows that are looked at for the next page. */
  get pageSize(): number {
    return this.#pageSize;
  }

  get valueCount(): number {
    const { where, fits } = this.#scan;
    return where.values.length + fits.values.length + maxOwnValues;
  }

  get head(): EventPosition | undefined {
    return this.#page[this.#taken];
  }

  shift(): EventPosition | undefined {
    return this.#page[this.#taken++];
  }

  /** Reads the next page. */
  statement(): Fragment {
    const { tables, order, where, fits } = this.#scan;
    const goOn = this.#isWithinSecond ? inSecondAfter : after;
    const all = this.#after ? joinFragments([where, goOn(order, this.#after)], " and ") : where;
    return {
      sql: `select ${order}.id, ${order}.created_at, case when ${fits.sql} then 1 else 0 end as fits
        from ${tables} where ${all.sql} order by ${order}.created_at desc, ${order}.id limit ?`,
      values: [...fits.values, ...all.values, this.#pageSize],
    };
  }

  take(rows: readonly PositionRow[]): void {
    const isFull = rows.length === this.#pageSize;
    const [first] = rows;
    const seen = rows.at(-1);
    if (this.#isWithinSecond && !isFull) {
      this.#isWithinSecond = false;
      if (this.#after) this.#after = { id: "", createdAt: this.#after.createdAt - 1 };
    } else {
      this.ended = !isFull;
      if (seen) this.#after = { id: seen.id, createdAt: seen.created_at };
      this.#isWithinSecond = rows.length === this.#scan.maxRows && first?.created_at === seen?.created_at;
    }
    this.#page = rows.flatMap(({ id, created_at, fits }) => (fits === 1 ? [{ id, createdAt: created_at }] : []));
    this.#taken = 0;
    this.#pageSize = Math.min(this.#scan.maxRows, this.#pageSize * 4);
  }
}
