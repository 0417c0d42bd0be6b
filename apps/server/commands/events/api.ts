import { type ApiOptions, type CommandApi, withApi } from "../api.js";

/** What a command asks: routes below `/api/v1/events`. */
export type EventsApi = CommandApi;

export function withEventsApi<T>(
  options: ApiOptions & { readonly needsServer?: boolean },
  work: (api: EventsApi) => Promise<T>,
): Promise<T> {
  return withApi(
    { ...options, prefix: "/api/v1/events", scopes: ["events:read", "events:admin"], probe: "/manifest" },
    work,
  );
}
