import { parseAddress } from "./address.js";
import type { NostrEvent } from "./event.js";
import { isHex32 } from "./hex.js";

/** What an event points at. */
export interface References {
  /** Values of `e`, `E` and `q` tags that are event ids. */
  readonly ids: readonly string[];
  /** Values of `a`, `A` and `q` tags that are addresses. */
  readonly addresses: readonly string[];
}

/** Everything that the tags of an event name, each once. */
export function readReferences(event: Pick<NostrEvent, "tags">): References {
  const ids = new Set<string>();
  const addresses = new Set<string>();
  for (const [name, value] of event.tags) {
    if (value === undefined) continue;
    if ((name === "e" || name === "E" || name === "q") && isHex32(value)) ids.add(value);
    if ((name === "a" || name === "A" || name === "q") && parseAddress(value)) addresses.add(value);
  }
  return { ids: [...ids], addresses: [...addresses] };
}
