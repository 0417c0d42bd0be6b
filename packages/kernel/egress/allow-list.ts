import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { addressRange, carriedIpv4, type IpAddress, type IpNetwork, isWithin } from "./address-range.js";

/** What the operator lets through although it is not public. */
export interface AllowList {
  hasHost(host: string): boolean;
  hasAddress(address: IpAddress): boolean;
}

const hostPattern = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

/**
 * Entries: an address (`10.1.2.3`), a network (`10.0.0.0/8`, `fd00::/8`), a host name, or `*.` and a domain for all
 * names below it. A host name lets every address pass that the name resolves to.
 * @throws {TypeError} for an entry that is none of these.
 */
export function parseAllowList(entries: readonly string[]): AllowList {
  const hosts = new Set<string>();
  const domains: string[] = [];
  const networks: IpNetwork[] = [];
  for (const entry of entries) {
    const network = parseNetwork(entry);
    const host = entry.toLowerCase().replace(/\.$/, "");
    if (network) networks.push(network);
    else if (!hostPattern.test(host) || /^[\d.]+$/.test(host)) {
      throw new TypeError(`${JSON.stringify(entry)} is neither a host name, an address nor a network`);
    } else if (host.startsWith("*.")) domains.push(host.slice(1));
    else hosts.add(host);
  }
  const isListed = (address: IpAddress): boolean => networks.some((network) => isWithin(address, network));
  return {
    hasHost: (host) => hosts.has(host) || domains.some((domain) => host.endsWith(domain)),
    hasAddress(address) {
      // Letting NAT64 pass must not open a way round to the private IPv4 networks behind it.
      const carried = carriedIpv4(address);
      return isListed(address) && (!carried || addressRange(carried) === "public" || isListed(carried));
    },
  };
}

/** Whether `parseAllowList` takes this entry. */
export function isAllowListEntry(entry: string): boolean {
  try {
    parseAllowList([entry]);
    return true;
  } catch {
    return false;
  }
}

function parseNetwork(entry: string): IpNetwork | undefined {
  const [address = "", prefix, ...rest] = entry.split("/");
  if (isIP(address) === 0 || rest.length > 0) return undefined;
  const parsed = ipaddr.parse(address);
  const widest = parsed.kind() === "ipv4" ? 32 : 128;
  if (prefix === undefined) return [parsed, widest];
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= widest ? [parsed, Number(prefix)] : undefined;
}
