/** A cell before it is written; nested objects become columns of their own, lists one cell. */
type Cell = string | number | boolean | null | object;

/**
 * Rows as CSV (RFC 4180) with a line of names; columns as in the first row. Text that a spreadsheet would take for a
 * formula gets an apostrophe in front.
 */
export function toCsv(columns: readonly string[], rows: readonly object[]): string {
  const lines = rows.map((row) => {
    const cells = new Map(flatten(row));
    return columns.map((column) => cellText(cells.get(column) ?? null)).join(",");
  });
  return [columns.join(","), ...lines].map((line) => `${line}\r\n`).join("");
}

/** The columns of a row, in the order of its fields; those of an object inside have its name in front. */
export function columnsOf(row: object): string[] {
  return flatten(row).map(([name]) => name);
}

function flatten(row: object, before = ""): [string, Cell][] {
  return Object.entries(row).flatMap(([name, value]: [string, Cell]): [string, Cell][] =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? flatten(value, `${before}${name}_`)
      : [[before + name, value]],
  );
}

function cellText(value: Cell): string {
  if (value === null) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
