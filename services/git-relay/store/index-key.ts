import { hash } from "node:crypto";
import { type Address, addressOf, type NostrEvent } from "@signalbox/nostr";

/** Marks keys that are hashes; a value that begins with it is hashed too, so that no two values share a key by design. */
const mark = "\u0001";
const maxPlainBytes = 200;

/**
 * What stands for a text in an index. Databases refuse NUL, and long texts do not fit into an index: such values are
 * hashed.
 */
export function indexKey(value: string): string {
  if (!value.startsWith(mark) && !value.includes("\0") && Buffer.byteLength(value) <= maxPlainBytes) return value;
  return `${mark}${hash("sha256", value)}`;
}

/** What stands for an address among the deletions. */
export function addressKey({ kind, pubkey, identifier }: Address): string {
  return `${kind}:${pubkey}:${indexKey(identifier)}`;
}

/** Column `d` of an event: null for kinds without an address. */
export function addressColumn(event: NostrEvent): string | null {
  const address = addressOf(event);
  return address ? indexKey(address.identifier) : null;
}
