import type { DeepReadonly } from "./data-type.js";

/** JSON with sorted keys: equal data gives equal text, in whatever order its members were written. */
export function canonicalJson(value: DeepReadonly<unknown>): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const members = Object.entries(value)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}
