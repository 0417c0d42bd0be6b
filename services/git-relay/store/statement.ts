import type { Engine, SqlValue } from "@signalbox/database";

/** A part of a statement with the values of its placeholders, `?` for each. */
export interface Fragment {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

export function joinFragments(fragments: readonly Fragment[], separator: string): Fragment {
  return {
    sql: fragments.map(({ sql }) => sql).join(separator),
    values: fragments.flatMap(({ values }) => values),
  };
}

/**
 * `column in (?, ?, …)`. The list is filled up to a power of two with its last value, so that lists of all lengths need
 * few prepared statements.
 */
export function inList(column: string, values: Iterable<SqlValue>): Fragment {
  const list = [...values];
  const last = list.at(-1);
  if (last === undefined) return { sql: "1 = 0", values: [] };
  const length = 2 ** Math.ceil(Math.log2(list.length));
  while (list.length < length) list.push(last);
  return { sql: `${column} in (${Array(length).fill("?").join(", ")})`, values: list };
}

/** The statement as the engine's driver wants it. It holds no question mark but those of placeholders. */
export function forEngine(engine: Engine, sql: string): string {
  if (engine === "sqlite") return sql;
  let place = 0;
  return sql.replaceAll("?", () => `$${++place}`);
}

/** A column that the planner should not look for in an index: there is a better way to the rows. SQLite needs the hint. */
export function passive(engine: Engine, column: string): string {
  return engine === "sqlite" ? `+${column}` : column;
}

/** Lists of at most `size`. */
export function chunksOf<T>(list: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < list.length; from += size) chunks.push(list.slice(from, from + size));
  return chunks;
}
