import { readPeerUrl } from "../peers/peer-url.js";
import type { PeerUrl } from "../sync/ports.js";

/** The peer of that address. */
export function testPeer(text: string): PeerUrl {
  const url = readPeerUrl(text);
  if (url === undefined) throw new Error(`${text} names no peer`);
  return url;
}
