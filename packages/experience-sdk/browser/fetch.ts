import { toUrl } from "../check-options.js";
import type { Client } from "../client.js";
import type { Experience } from "../experience.js";

export interface CarryOptions {
  /** Whose servers read the headers, beside the page's own. They must allow them by CORS. */
  readonly origins?: readonly string[];
  /** The journeys that requests belong to. Default: all that are under way. */
  readonly experiences?: readonly Experience[];
}

/**
 * A `fetch` that sends journeys and their correlation id along, to the page's own origin and those that are listed.
 * Requests to others stay as they are: they would need permission for the headers, and learn what is none of their
 * business.
 */
export function instrumentFetch(
  client: Client,
  fetchImplementation: typeof fetch = fetch,
  { origins = [], experiences }: CarryOptions = {},
): typeof fetch {
  const reading = new Set([location.origin, ...origins]);
  return (input, init) => {
    if (!reading.has(originOf(input) ?? "")) return fetchImplementation(input, init);
    const given = init?.headers ?? (input instanceof Request ? input.headers : undefined);
    return fetchImplementation(input, { ...init, headers: client.inject(new Headers(given), "headers", experiences) });
  };
}

/** Absent for what is no address: `fetch` says what is wrong with it. */
function originOf(input: RequestInfo | URL): string | undefined {
  return toUrl(input instanceof Request ? input.url : String(input), document.baseURI)?.origin;
}
