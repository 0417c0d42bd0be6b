import type { NostrEvent, Tag } from "./event.js";
import { kinds } from "./kinds.js";

type Tagged = Pick<NostrEvent, "tags">;

/** The first tag of this name. */
export function firstTag(event: Tagged, name: string): Tag | undefined {
  return event.tags.find((tag) => tag[0] === name);
}

/** The value of the first tag of this name; nothing when there is no such tag or it has no value. */
export function tagValue(event: Tagged, name: string): string | undefined {
  return firstTag(event, name)?.[1];
}

/** The first value of each tag of this name that has one. */
export function tagValues(event: Tagged, name: string): string[] {
  return event.tags.flatMap((tag) => (tag[0] === name && tag[1] !== undefined ? [tag[1]] : []));
}

/**
 * When the event ends, in seconds since the Unix epoch (NIP-40). The first `expiration` tag counts; a value that is no
 * number means that it never does.
 */
export function expirationOf(event: Tagged): number | undefined {
  const value = tagValue(event, "expiration");
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** Only its author may publish it here (NIP-70). */
export function isProtected(event: Tagged): boolean {
  return event.tags.some((tag) => tag[0] === "-");
}

/** A repost whose content is the JSON of a protected event. */
export function embedsProtected(event: Pick<NostrEvent, "kind" | "content">): boolean {
  if (event.kind !== kinds.repost && event.kind !== kinds.genericRepost) return false;
  try {
    const inner: unknown = JSON.parse(event.content);
    if (typeof inner !== "object" || inner === null || !("tags" in inner) || !Array.isArray(inner.tags)) return false;
    return inner.tags.some((tag) => Array.isArray(tag) && tag[0] === "-");
  } catch {
    return false;
  }
}

const letterPattern = /^[A-Za-z]$/;

/** Name and first value of every one-letter tag, each pair once: what tag filters look at. */
export function indexedTags(event: Tagged): [name: string, value: string][] {
  const seen = new Set<string>();
  const pairs: [string, string][] = [];
  for (const [name = "", value] of event.tags) {
    if (value === undefined || !letterPattern.test(name)) continue;
    const pair = `${name}${value}`;
    if (seen.has(pair)) continue;
    seen.add(pair);
    pairs.push([name, value]);
  }
  return pairs;
}
