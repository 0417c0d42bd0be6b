/**
 * The text of a parameter as the engine parses it: tab-separated escaping outside, SQL literals inside arrays and maps.
 * It is what the HTTP client sends as `param_name`.
 */
export function paramText(value: unknown): string {
  if (value === null) return "\\N";
  if (typeof value === "string") return escapeText(value);
  if (typeof value === "boolean") return value ? "1" : "0";
  return literal(value);
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string") return `'${escapeText(value)}'`;
  if (typeof value === "boolean") return value ? "TRUE" : "FALSE";
  if (typeof value === "number" || typeof value === "bigint") return number(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(",")}]`;
  if (typeof value === "object") {
    const entries = value instanceof Map ? [...value.entries()] : Object.entries(value);
    return `{${entries.map(([key, item]) => `${literal(key)}:${literal(item)}`).join(",")}}`;
  }
  throw new TypeError(`A ${typeof value} cannot be a query parameter`);
}

function number(value: number | bigint): string {
  if (Number.isNaN(value)) return "nan";
  if (value === Number.POSITIVE_INFINITY) return "+inf";
  if (value === Number.NEGATIVE_INFINITY) return "-inf";
  return String(value);
}

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
  "\0": "\\0",
};

function escapeText(text: string): string {
  return text.replace(/[\\'\t\n\r\0]/g, (char) => escapes[char] ?? char);
}

/**
 * A string literal of the engine for any text. Every byte but letters, digits and some harmless signs is written as
 * `\xHH`, so nothing in the text can end the literal, whatever the engine's rules for quotes are.
 */
export function stringLiteral(text: string): string {
  let quoted = "'";
  for (const part of text.split(/([A-Za-z0-9_ .,:/@=+()[\]-]+)/)) {
    quoted += /^[A-Za-z0-9_ .,:/@=+()[\]-]/.test(part) ? part : hexEscapes(part);
  }
  return `${quoted}'`;
}

function hexEscapes(text: string): string {
  return Buffer.from(text)
    .toString("hex")
    .replace(/../g, (byte) => `\\x${byte}`);
}
