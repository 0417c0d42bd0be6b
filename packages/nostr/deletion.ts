import { type Address, parseAddress } from "./address.js";
import type { NostrEvent } from "./event.js";
import { isHex32 } from "./hex.js";
import { classOfKind, kinds } from "./kinds.js";
import { tagValues } from "./tags.js";

/** What a kind 5 event wants removed. */
export interface Deletion {
  /** Ids of events; they are removed only if they are its author's. */
  readonly ids: readonly string[];
  /** Addresses of its author's; every version up to the deletion's own time is removed. */
  readonly addresses: readonly Address[];
}

/** Reads a deletion (NIP-09). Malformed names, and addresses of other people or of kinds that have none, are dropped. */
export function readDeletion(event: NostrEvent): Deletion | undefined {
  if (event.kind !== kinds.deletion) return undefined;
  const addresses = new Set(tagValues(event, "a"));
  return {
    ids: [...new Set(tagValues(event, "e"))].filter(isHex32),
    addresses: [...addresses].flatMap((text) => {
      const address = parseAddress(text);
      return address && address.pubkey === event.pubkey && hasAddress(address) ? [address] : [];
    }),
  };
}

function hasAddress({ kind, identifier }: Address): boolean {
  const kindClass = classOfKind(kind);
  return kindClass === "addressable" || (kindClass === "replaceable" && identifier === "");
}
