import { isHex32, isHex64 } from "./hex.js";

export type Tag = readonly string[];

/** What an author decides about an event. */
export interface EventTemplate {
  /** Seconds since the Unix epoch. */
  readonly created_at: number;
  readonly kind: number;
  readonly tags: readonly Tag[];
  readonly content: string;
}

/** A template with its author: what the id is computed of. */
export interface UnsignedEvent extends EventTemplate {
  /** 64 lower-case hex digits. */
  readonly pubkey: string;
}

/** An event of the Nostr protocol whose shape was checked; whether id and signature are right is another matter. */
export interface NostrEvent extends UnsignedEvent {
  readonly id: string;
  readonly sig: string;
}

declare const verified: unique symbol;

/** An event whose id and signature were found right. */
export type VerifiedEvent = NostrEvent & { readonly [verified]: true };

export type ReadEvent =
  | { readonly kind: "event"; readonly event: NostrEvent }
  | { readonly kind: "invalid"; readonly reason: string };

/** `created_at` above this has no exact number. */
const maxTimestamp = Number.MAX_SAFE_INTEGER;
const maxKind = 65_535;
/** In a pattern that reads code points, a surrogate matches only when it stands alone. */
const loneSurrogate = /[\uD800-\uDFFF]/u;

/**
 * Reads the parsed JSON of an event. The result has exactly the seven fields, in the order in which `encodeEvent` writes
 * them; others are dropped. A refusal names the first field that is wrong.
 */
export function readEvent(value: unknown): ReadEvent {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return invalid("event is not an object");
  const { id, pubkey, created_at, kind, tags, content, sig }: Partial<Record<keyof NostrEvent, unknown>> = value;
  if (!isHex32(id)) return invalid("id is not 64 lower-case hex digits");
  if (!isHex32(pubkey)) return invalid("pubkey is not 64 lower-case hex digits");
  if (!isTimestamp(created_at)) return invalid("created_at is not an integer from 0 to 2^53-1");
  if (!isKind(kind)) return invalid("kind is not an integer from 0 to 65535");
  if (!isTags(tags)) return invalid("tags is not an array of non-empty arrays of strings");
  if (typeof content !== "string") return invalid("content is not a string");
  if (!isHex64(sig)) return invalid("sig is not 128 lower-case hex digits");
  if (loneSurrogate.test(content)) return invalid("content holds half a surrogate pair");
  if (tags.some((tag) => tag.some((text) => loneSurrogate.test(text))))
    return invalid("tags hold half a surrogate pair");
  return { kind: "event", event: { id, pubkey, created_at, kind, tags, content, sig } };
}

/** The canonical JSON text of an event that `readEvent` or a signer made: what is stored and sent. */
export function encodeEvent(event: NostrEvent): string {
  return JSON.stringify(event);
}

export function isTimestamp(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxTimestamp;
}

export function isKind(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxKind;
}

function isTags(value: unknown): value is Tag[] {
  if (!Array.isArray(value)) return false;
  return value.every(
    (tag) => Array.isArray(tag) && tag.length > 0 && tag.every((item: unknown) => typeof item === "string"),
  );
}

function invalid(reason: string): ReadEvent {
  return { kind: "invalid", reason };
}
