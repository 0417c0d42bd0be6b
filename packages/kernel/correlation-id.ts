import { ulidFromHex } from "./ulid.js";

const hexPattern = /^[0-9a-f]{32}$/i;
const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const anyCaseUlidPattern = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/i;

/** 1 to 64 printable ASCII characters without spaces: what may enter as a correlation id. */
const acceptablePattern = /^[\x21-\x7e]{1,64}$/;

export function isCorrelationId(text: string): boolean {
  return acceptablePattern.test(text);
}

/**
 * The one canonical form of a correlation id: a UUID, 32 hex digits or a ULID in any case becomes the upper-case
 * ULID of the same 128 bits; everything else stays as it is. Idempotent. Applied at every write and every look-up,
 * so that a trace id, a UUID and a ULID of one journey meet.
 */
export function canonicalCorrelationId(id: string): string {
  if (hexPattern.test(id)) return ulidFromHex(id);
  if (uuidPattern.test(id)) return ulidFromHex(id.replaceAll("-", ""));
  if (anyCaseUlidPattern.test(id)) return id.toUpperCase();
  return id;
}
