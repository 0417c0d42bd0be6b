import ipaddr from "ipaddr.js";

type Ipv4 = ipaddr.IPv4;
type Ipv6 = ipaddr.IPv6;
export type IpAddress = Ipv4 | Ipv6;
export type IpNetwork = readonly [address: IpAddress, prefixBits: number];

/** Only this part of IPv6 is handed out for the public network; everything else has a local or no meaning. */
const globalUnicast = ipaddr.parseCIDR("2000::/3");

/** Azure's virtual machines reach their host's agent at this address, which otherwise looks public. */
const azureHostAgent = ipaddr.parseCIDR("168.63.129.16/32");

/** Prefixes whose addresses carry an IPv4 address (mapped, NAT64, 6to4), and at which of the 16 bytes it starts. */
const carriers: readonly { readonly network: IpNetwork; readonly offset: number }[] = [
  { network: ipaddr.parseCIDR("::ffff:0:0/96"), offset: 12 },
  { network: ipaddr.parseCIDR("64:ff9b::/96"), offset: 12 },
  { network: ipaddr.parseCIDR("64:ff9b:1::/48"), offset: 12 },
  { network: ipaddr.parseCIDR("2002::/16"), offset: 2 },
];

/** `public`, or in a word the kind of address that strangers may not make this server call. */
export function addressRange(address: IpAddress): string {
  const range = address.range();
  if (range !== "unicast") return range;
  if (isWithin(address, azureHostAgent)) return "metadata";
  return address.kind() === "ipv6" && !isWithin(address, globalUnicast) ? "reserved" : "public";
}

/** The IPv4 address that a mapped or translated IPv6 address leads to. */
export function carriedIpv4(address: IpAddress): Ipv4 | undefined {
  const carrier = carriers.find(({ network }) => isWithin(address, network));
  if (!carrier) return undefined;
  return new ipaddr.IPv4(address.toByteArray().slice(carrier.offset, carrier.offset + 4));
}

export function isWithin(address: IpAddress, [network, prefixBits]: IpNetwork): boolean {
  return address.kind() === network.kind() && address.match(network, prefixBits);
}
