/** A table as text, for what people paste it into. */
export interface TextTable {
  readonly headers: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

export function asCsv({ headers, rows }: TextTable): string {
  return [headers, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n");
}

function csvCell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  // A spreadsheet takes text that begins so for a formula, and events bring any text.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function asMarkdownTable({ headers, rows }: TextTable): string {
  const line = (cells: readonly (string | number | null)[]): string => `| ${cells.map(markdownCell).join(" | ")} |`;
  return [line(headers), `| ${headers.map(() => "---").join(" | ")} |`, ...rows.map(line)].join("\n");
}

function markdownCell(value: string | number | null): string {
  return String(value ?? "")
    .replaceAll("\\", "\\\\")
    .replaceAll("|", "\\|")
    .replaceAll(/[<>`*_[\]]/g, "\\$&")
    .replaceAll(/\s+/g, " ");
}
