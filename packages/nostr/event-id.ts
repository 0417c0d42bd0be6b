import { hash } from "node:crypto";
import type { NostrEvent, UnsignedEvent } from "./event.js";

/** A control character that JSON writes as `\u00xx`, or an escape to be passed over. */
const escapes = /\\(?:u00([01][0-9a-f])|.)/g;
const otherControl = /\\u00[01]/;

/**
 * The text whose SHA-256 is the id: only `\n \" \\ \r \t \b \f` are escaped, every other character stands as it is.
 */
export function serialiseEvent(event: UnsignedEvent): string {
  const escaped = serialiseEscaped(event);
  return otherControl.test(escaped) ? unescapeControls(escaped) : escaped;
}

/** The id that an event should have. */
export function eventId(event: UnsignedEvent): string {
  return hash("sha256", serialiseEvent(event));
}

/**
 * Whether the id belongs to the event. Common clients write control characters below U+0020 that have no short escape as
 * `\u00xx`, the protocol's text wants them as they are: both are accepted.
 */
export function hasRightId(event: NostrEvent): boolean {
  const escaped = serialiseEscaped(event);
  if (hash("sha256", escaped) === event.id) return true;
  return otherControl.test(escaped) && hash("sha256", unescapeControls(escaped)) === event.id;
}

/** `JSON.stringify` differs from the protocol in those control characters only: lone surrogates never get here. */
function serialiseEscaped({ pubkey, created_at, kind, tags, content }: UnsignedEvent): string {
  return JSON.stringify([0, pubkey, created_at, kind, tags, content]);
}

function unescapeControls(escaped: string): string {
  return escaped.replace(escapes, (text, code?: string) =>
    code === undefined ? text : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
