import type { Database, SqlValue, TransactionHandle } from "@signalbox/database";

/** One row of input for a statement; numbers and texts only. */
export type InputRow = readonly (string | number | null)[];

/**
 * Runs a statement over many rows in one go: they travel as one JSON text, which both engines unfold into a table.
 * The statement names that table `$rows` and its columns `$0`, `$1`, …; `$int(0)` is a column as integer.
 */
export async function runOverRows<Row = Record<string, unknown>>(
  database: Database,
  statement: RowsStatement,
  rows: readonly InputRow[],
  transaction?: TransactionHandle,
  values: readonly SqlValue[] = [],
): Promise<Row[]> {
  if (rows.length === 0) return [];
  const result = await database.run<Row>(statement[database.engine], [...values, JSON.stringify(rows)], transaction);
  return result.rows;
}

/** One statement in the words of each engine. */
export interface RowsStatement {
  readonly sqlite: string;
  readonly postgres: string;
}

/** Placeholders of `values` come before `$rows` in the text. */
export function overRows(template: string): RowsStatement {
  const columns = template
    .replaceAll(/\$int\((\d+)\)/g, "cast(input.value ->> $1 as bigint)")
    .replaceAll(/\$(\d+)/g, "input.value ->> $1");
  return {
    sqlite: columns.replaceAll("$rows", "json_each(?) as input"),
    postgres: columns.replaceAll("$rows", "json_array_elements(cast(? as json)) as input(value)"),
  };
}
