import { NostrError } from "./errors.js";

/**
 * The one spelling of a relay's address: scheme and host in lower case, international names in ASCII, no default port,
 * no slash at the end, no query, fragment or user info. Nothing when the text is no `ws` or `wss` address.
 */
export function normaliseRelayUrl(text: string): string | undefined {
  const url = parseUrl(text.trim(), ["ws:", "wss:"]);
  return url && `${url.protocol}//${url.host}${trimSlashes(url.pathname)}`;
}

/** Where a service is reached, whatever the scheme: what tells whether an address in an event means us. */
export interface ServiceAddress {
  /** Lower case, ASCII. */
  readonly hostname: string;
  /** Empty for the default ports 80 and 443. */
  readonly port: string;
  /** Without a slash at the end; empty at the root. */
  readonly path: string;
}

/** @param domain `host[:port][/path]` @throws {NostrError} `NOSTR_BAD_SERVICE` */
export function readServiceAddress(domain: string): ServiceAddress {
  const url = /:\/\//.test(domain) ? undefined : parseUrl(`https://${domain}`, ["https:"]);
  if (!url || isDecorated(url))
    throw new NostrError("NOSTR_BAD_SERVICE", { message: `"${domain.slice(0, 200)}" does not name a relay` });
  return addressOfUrl(url);
}

/** The address that a URL of one of the schemes has; nothing when it has a query, a fragment or user info. */
export function serviceAddressOf(text: string, schemes: readonly string[]): ServiceAddress | undefined {
  if (/[\s\\?#]/.test(text)) return undefined;
  const url = parseUrl(text, schemes);
  return url && !isDecorated(url) ? addressOfUrl(url) : undefined;
}

export function isSameService(one: ServiceAddress, other: ServiceAddress): boolean {
  return one.hostname === other.hostname && one.port === other.port && one.path === other.path;
}

function addressOfUrl(url: URL): ServiceAddress {
  const port = url.port === "80" || url.port === "443" ? "" : url.port;
  return { hostname: url.hostname, port, path: trimSlashes(url.pathname) };
}

function parseUrl(text: string, schemes: readonly string[]): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url && schemes.includes(url.protocol) && url.hostname !== "" ? url : undefined;
}

function isDecorated(url: URL): boolean {
  return url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "";
}

function trimSlashes(path: string): string {
  return path.replace(/\/+$/, "");
}
