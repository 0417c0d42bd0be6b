import {
  formatAddress,
  isRootKind,
  kinds,
  parseAddress,
  readAnnouncement,
  readDeletion,
  readReferences,
  type VerifiedEvent,
} from "@signalbox/nostr";
import type { EndOf } from "../event-end.js";
import type { PeerDiscovery } from "./ports.js";
import type { WantedIndex } from "./wanted.js";

/** Changes what is wanted by what a stored event says. */
export function takeNote(wanted: WantedIndex, event: VerifiedEvent, discovery: PeerDiscovery, endOf: EndOf): void {
  if (event.kind === kinds.announcement) {
    const read = readAnnouncement(event);
    if (read.kind === "announcement")
      wanted.addAnnouncement(read.announcement, discovery.peersOf(read.announcement), "full", endOf(event));
  } else if (isRootKind(event.kind)) {
    const { addresses } = readReferences({ tags: event.tags.filter(([name]) => name === "a") });
    wanted.addRoot(
      event.id,
      event.pubkey,
      addresses.filter((address) => parseAddress(address)?.kind === kinds.announcement),
      endOf(event),
    );
  } else {
    const { ids = [], addresses = [] } = readDeletion(event) ?? {};
    for (const address of addresses) wanted.deleteAddress(formatAddress(address), event.created_at);
    for (const id of ids) wanted.deleteEvent(id, event.pubkey);
  }
}
