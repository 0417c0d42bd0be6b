import { BlockList, isIP } from "node:net";
import { HttpSetupError } from "./errors.js";

/** The end of a connection, such as a `Socket`. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
}

/** Who sent a request, as far as the addresses of trusted proxies tell. */
export interface ClientAddresses {
  /**
   * The peer's address, or, when the peer is a trusted proxy, the right-most entry of `X-Forwarded-For` that is not one.
   * An entry that is no address ends the search: the proxy that wrote it answers for it. IPv4 addresses mapped into
   * IPv6 come back as IPv4.
   */
  of(socket: Peer, forwardedFor: string | readonly string[] | undefined): string;
}

/**
 * @param trustedProxies Addresses and networks (`10.0.0.0/8`, `fd00::/8`).
 * @throws {HttpSetupError} `HTTP_PROXY_INVALID` naming the entry that is neither.
 */
export function createClientAddresses(trustedProxies: readonly string[]): ClientAddresses {
  const trusted = new BlockList();
  for (const entry of trustedProxies) addNetwork(trusted, entry);
  const isTrusted = (address: string): boolean => trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  // A connection carries many requests.
  const peers = new WeakMap<Peer, string>();
  const addressOf = (socket: Peer): string => {
    let address = peers.get(socket);
    if (address === undefined) {
      address = plainAddress(socket.remoteAddress ?? "") ?? unknownAddress;
      peers.set(socket, address);
    }
    return address;
  };
  return {
    of(socket, forwardedFor) {
      let address = addressOf(socket);
      if (forwardedFor === undefined || trustedProxies.length === 0) return address;
      const entries = (typeof forwardedFor === "string" ? forwardedFor : forwardedFor.join(",")).split(",");
      while (isTrusted(address)) {
        const next = plainAddress(entries.pop() ?? "");
        if (next === undefined) break;
        address = next;
      }
      return address;
    },
  };
}

/** Of connections that are gone already. */
const unknownAddress = "0.0.0.0";

/** What per-address limits count by: an IPv6 subscriber holds a whole /64. */
export function addressGroup(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0") : [];
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}

function addNetwork(list: BlockList, entry: string): void {
  const [address = "", prefix] = entry.split("/", 2);
  const family = isIP(address);
  const longest = family === 6 ? 128 : 32;
  const length = prefix === undefined ? longest : Number(prefix);
  if (family === 0 || prefix === "" || !Number.isInteger(length) || length < 0 || length > longest)
    throw new HttpSetupError("HTTP_PROXY_INVALID", { message: `"${entry}" is neither an address nor a network.` });
  list.addSubnet(address, length, family === 6 ? "ipv6" : "ipv4");
}

const mappedPrefix = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i;
const withPort = /^(?:\[([0-9a-f:.]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d+)?$/i;

/** The bare address of an entry that may carry brackets, a port or a zone, or `undefined`. */
function plainAddress(entry: string): string | undefined {
  const text = entry.trim();
  const match = withPort.exec(text);
  const bare = (match?.[1] ?? match?.[2] ?? text).replace(/%.*$/, "").replace(mappedPrefix, "");
  return isIP(bare) === 0 ? undefined : bare.toLowerCase();
}
