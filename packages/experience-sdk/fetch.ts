import type { Client } from "./client.js";

/**
 * A `fetch` that sends active journeys and the correlation id along. Meant for services that take part in the journey:
 * every host that is called with it reads them.
 */
export function instrumentFetch(client: Client, fetchImplementation: typeof fetch = fetch): typeof fetch {
  return (input, init) => {
    const given = init?.headers ?? (input instanceof Request ? input.headers : undefined);
    return fetchImplementation(input, { ...init, headers: client.inject(new Headers(given)) });
  };
}
