/** Which SDK sent a request. */
export interface ClientInfo {
  readonly name: string;
  readonly version: string | undefined;
}

/** Longer texts are cut: they come from the client and go into tables and logs. */
const maxNameLength = 64;
const maxVersionLength = 32;

/**
 * Reads `name/version` as SDKs put it into `sentry_client` and `User-Agent`; of several products the first counts.
 * Characters beyond printable ASCII are dropped. Undefined when nothing is left.
 */
export function parseClientInfo(text: string | undefined): ClientInfo | undefined {
  const first = text
    ?.slice(0, 256)
    .replace(/[^\x21-\x7e ]/g, "")
    .trim()
    .split(" ", 1)[0];
  if (!first) return undefined;
  const slash = first.lastIndexOf("/");
  if (slash <= 0) return { name: first.slice(0, maxNameLength), version: undefined };
  return {
    name: first.slice(0, Math.min(slash, maxNameLength)),
    version: first.slice(slash + 1, slash + 1 + maxVersionLength) || undefined,
  };
}
