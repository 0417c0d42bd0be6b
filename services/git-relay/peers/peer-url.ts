import { normaliseRelayUrl, readServiceAddress, type ServiceAddress, serviceAddressOf } from "@signalbox/nostr";
import type { PeerUrl } from "../sync/ports.js";

const longestUrl = 500;

/**
 * The peer that an address in an event or a setting names; without a scheme, `wss` is meant. Nothing for what is no
 * address of a relay and for addresses with user info.
 */
export function readPeerUrl(text: string): PeerUrl | undefined {
  const trimmed = text.trim();
  if (trimmed.length > longestUrl || /[\s\\]/.test(trimmed) || trimmed.startsWith("/")) return undefined;
  const spelled = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `wss://${trimmed}`;
  if (!URL.canParse(spelled)) return undefined;
  const url = new URL(spelled);
  if (url.username !== "" || url.password !== "" || url.port === "0") return undefined;
  // A name with and without the dot at its end is the same host.
  url.hostname = url.hostname.replace(/\.$/, "");
  if (url.hostname.endsWith(".")) return undefined;
  const spelling = normaliseRelayUrl(url.href);
  return spelling !== undefined && isNormalised(spelling) ? spelling : undefined;
}

/** Spelling an address a second time changes nothing; whatever does change is no name for a peer. */
function isNormalised(spelling: string): spelling is PeerUrl {
  return spelling.length <= longestUrl && normaliseRelayUrl(spelling) === spelling;
}

export interface OwnAddresses {
  /** `relay.domain`, or the listen address. */
  readonly domain: ServiceAddress;
  /** `host:port` that the relay listens on. */
  readonly listening: string;
  /** `relay.sync.self_aliases`: further hosts that lead here, with port where it is not the default one. */
  readonly aliases: readonly string[];
}

const everyAddress = new Set(["0.0.0.0", "[::]"]);
const loopback = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Whether a peer is this relay itself. Hosts and ports are compared, whatever the scheme and the path: what answers
 * under another path of our own host may be us behind a proxy.
 * @throws {NostrError} `NOSTR_BAD_SERVICE` for an alias that names no host
 */
export function createSelfCheck({ domain, listening, aliases }: OwnAddresses): (url: PeerUrl) => boolean {
  const listener = readServiceAddress(listening);
  const reached = everyAddress.has(listener.hostname) ? loopback : [listener.hostname];
  const isLoopback = loopback.some((host) => reached.includes(host));
  const own = new Set(
    [
      domain,
      ...aliases.map(readServiceAddress),
      ...(isLoopback ? loopback : reached).map((hostname) => ({ ...listener, hostname })),
    ].map(originOf),
  );
  return (url) => {
    const address = serviceAddressOf(url, ["ws:", "wss:"]);
    return address !== undefined && own.has(originOf(address));
  };
}

function originOf({ hostname, port }: ServiceAddress): string {
  return `${hostname}:${port}`;
}
