import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { type Clock, systemClock } from "../clock.js";
import { KernelError } from "../kernel-errors.js";
import { addressRange } from "./address-range.js";
import { parseAllowList } from "./allow-list.js";
import { type EgressRequestOptions, type EgressResponse, guardedRequest } from "./guarded-request.js";

export interface EgressGuardOptions {
  /** `egress.allow_private`: addresses, networks, host names and `*.domain` that may be called although not public. */
  readonly allowPrivate?: readonly string[];
  /** Every address of a host name. Default: the operating system's resolver. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  /** PEM certificates that are trusted in addition to Node's own, for private authorities. */
  readonly certificateAuthorities?: readonly string[];
  readonly clock?: Clock;
}

/** An address that may be called, together with the name it was asked for under. */
export interface CheckedAddress {
  readonly url: URL;
  /** Lower case, without the brackets of IPv6 and without a trailing dot. */
  readonly host: string;
  readonly port: number;
  /** Every address of the host; each one has been checked. */
  readonly addresses: readonly { readonly address: string; readonly family: 4 | 6 }[];
  /**
   * For whatever connects by itself (`http.request`, `net.connect`, the WebSocket client of `ws`): answers with the
   * checked addresses instead of asking again, and refuses every other name. TLS still verifies the host's name.
   */
  readonly lookup: LookupFunction;
}

/** The one way out to addresses that users or peers supply. Safe to use concurrently; holds nothing to close. */
export interface EgressGuard {
  /**
   * Resolves the host once and refuses it when any of its addresses is not public and not listed.
   * `protocols` (default http, https) are the URL schemes that the caller can speak.
   * @throws {KernelError} `EGRESS_REFUSED` (`details.reason`), `EGRESS_UNRESOLVED`.
   */
  check(url: string | URL, options?: { readonly protocols?: readonly string[] }): Promise<CheckedAddress>;
  /**
   * One HTTP request to a checked address, limited in time and size. Redirects are handed back as they are unless
   * `maxRedirects` says otherwise; each one followed is checked like the first.
   * @throws {KernelError} what `check` throws, `EGRESS_UNREACHABLE`, `EGRESS_TIMEOUT`, `EGRESS_TOO_LARGE`,
   * `EGRESS_REDIRECT_REFUSED`; the signal's reason when aborted.
   */
  request(url: string | URL, options?: EgressRequestOptions): Promise<EgressResponse>;
}

/** @throws {TypeError} when `allowPrivate` holds something that is no host, address or network. */
export function createEgressGuard(options: EgressGuardOptions = {}): EgressGuard {
  const { resolve = resolveByOperatingSystem, clock = systemClock, certificateAuthorities = [] } = options;
  const allowed = parseAllowList(options.allowPrivate ?? []);

  const refusal = (host: string, address: string): string | undefined => {
    if (isIP(address) === 0) return "unreadable address";
    const parsed = ipaddr.parse(address);
    const range = addressRange(parsed);
    return range === "public" || allowed.hasHost(host) || allowed.hasAddress(parsed) ? undefined : range;
  };

  const guard: EgressGuard = {
    async check(target, { protocols = ["http", "https"] } = {}) {
      const url = parseTarget(target, protocols);
      const host = hostOf(url);
      const found = isIP(host) === 0 ? await resolveHost(host, resolve) : [host];
      for (const address of found) {
        const reason = refusal(host, address);
        if (reason !== undefined) throw refused(reason, { host, address });
      }
      const addresses = found.map((address) => ({
        address,
        family: isIP(address) === 6 ? (6 as const) : (4 as const),
      }));
      const port = Number(url.port) || (defaultPorts.get(url.protocol) ?? 0);
      return Object.freeze({ url, host, port, addresses, lookup: pinnedLookup(url, addresses) });
    },
    request: (url, requestOptions = {}) =>
      guardedRequest(guard, url, requestOptions, { clock, certificateAuthorities }),
  };
  return Object.freeze(guard);
}

const defaultPorts = new Map([
  ["http:", 80],
  ["ws:", 80],
  ["https:", 443],
  ["wss:", 443],
  ["git:", 9418],
  ["ssh:", 22],
]);

function parseTarget(target: string | URL, protocols: readonly string[]): URL {
  const text = String(target);
  if (!URL.canParse(text)) throw refused("not a URL");
  const url = new URL(text);
  if (!protocols.includes(url.protocol.slice(0, -1))) throw refused("protocol", { protocol: url.protocol });
  // Credentials belong into headers: in a URL they end in logs.
  if (url.username !== "" || url.password !== "") throw refused("credentials in the URL");
  if (hostOf(url) === "") throw refused("no host");
  return url;
}

/** The URL parser has already turned `0x7f.1`, `2130706433` and their like into dotted form. */
function hostOf(url: URL): string {
  return url.hostname
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase();
}

async function resolveHost(
  host: string,
  resolve: (host: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  let found: readonly string[];
  try {
    found = await resolve(host);
  } catch (cause) {
    throw new KernelError("EGRESS_UNRESOLVED", { cause, details: { host } });
  }
  if (found.length === 0) throw new KernelError("EGRESS_UNRESOLVED", { details: { host } });
  return found;
}

async function resolveByOperatingSystem(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

function pinnedLookup(url: URL, addresses: CheckedAddress["addresses"]): LookupFunction {
  return (hostname, { all, family = 0 }, callback) => {
    const name = hostname.toLowerCase();
    const wanted = Number(String(family).replace("IPv", ""));
    const found = addresses.filter((known) => wanted === 0 || known.family === wanted);
    const [first] = found;
    if (name !== url.hostname.toLowerCase() && name !== hostOf(url)) {
      callback(refused("another host than the one checked", { host: name }), []);
    } else if (!first) callback(new KernelError("EGRESS_UNRESOLVED", { details: { host: name, family } }), []);
    else if (all === true) callback(null, found);
    else callback(null, first.address, first.family);
  };
}

function refused(reason: string, details: Readonly<Record<string, unknown>> = {}): KernelError {
  return new KernelError("EGRESS_REFUSED", { details: { reason, ...details } });
}
