/** Which way a list is read on from a position. */
export type Direction = "next" | "prev";

export interface KeysetPage<Row, Position> {
  readonly items: readonly Row[];
  /** Absent on the last page. */
  readonly next: Position | undefined;
  /** Absent on the first page. */
  readonly previous: Position | undefined;
}

/**
 * The page of rows that were read from a position on, one row more than the limit; backwards when `direction` is `prev`.
 * Without a direction it is the first page. Where we came from there is always another page.
 */
export function keysetPage<Row, Position>(
  rows: readonly Row[],
  limit: number,
  direction: Direction | undefined,
  positionOf: (row: Row, direction: Direction) => Position,
): KeysetPage<Row, Position> {
  const more = rows.length > limit;
  const backwards = direction === "prev";
  const items = backwards ? rows.slice(0, limit).toReversed() : rows.slice(0, limit);
  const [first] = items;
  const last = items.at(-1);
  return {
    items,
    next: last !== undefined && (backwards || more) ? positionOf(last, "next") : undefined,
    previous: first !== undefined && (backwards ? more : direction === "next") ? positionOf(first, "prev") : undefined,
  };
}
