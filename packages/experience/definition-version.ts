import { createHash } from "node:crypto";

/** The first 12 hex digits of SHA-256 over the canonical JSON: keys sorted, nothing that is undefined. */
export function definitionVersion(content: object): string {
  return createHash("sha256").update(canonicalJson(content)).digest("hex").slice(0, 12);
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`);
  return `{${members.join(",")}}`;
}
