import type { IncomingMessage } from "node:http";

/** A name, an IPv4 address or one in brackets, and perhaps a port; empty where there is no name. */
const hostPattern = /^(?:\[[\da-f:.]+\]|[\w.~%!$&'()*+,;=-]*)(?::\d{0,5})?$/i;

/**
 * What is wrong with the head of a request that Node has let through; `undefined` for most. A proxy in front of us and
 * we must not understand different hosts: two `Host` headers, none with HTTP/1.1, or one that is no host, are refused,
 * and so is `*` as an address of anything but OPTIONS (RFC 9112, 3.2).
 */
export function findHeadFault({ rawHeaders, httpVersion, url, method }: IncomingMessage): string | undefined {
  let host: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (name.length !== 4 || name.toLowerCase() !== "host") continue;
    if (host !== undefined) return "There is more than one Host header.";
    host = rawHeaders[index + 1] ?? "";
  }
  if (host === undefined && httpVersion === "1.1") return "The Host header is missing.";
  if (host !== undefined && !hostPattern.test(host)) return "The Host header is not a host.";
  if (url === "*" && method !== "OPTIONS") return "Only OPTIONS may ask about the whole server.";
  return undefined;
}

/** Path and query of a request's target, which may also be a whole URL (RFC 9112, 3.2.2). */
export function targetPath(target: string): string {
  const authority = /^https?:\/\/[^/?#]*/i.exec(target);
  if (!authority) return target;
  const rest = target.slice(authority[0].length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}
