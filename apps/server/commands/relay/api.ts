import { type ApiOptions, type CommandApi, withApi } from "../api.js";

const prefix = "/api/v1/relay";
const scopes = ["relay:read", "relay:admin"] as const;

/** The routes below `/api/v1/relay` of the running server: only it knows how its sync is doing. */
export function withRunningRelay<T>(
  options: Pick<ApiOptions, "config" | "terminal">,
  work: (api: CommandApi) => Promise<T>,
): Promise<T> {
  return withApi({ ...options, needsServer: true, prefix, scopes, probe: "/status" }, work);
}

/** The routes about what is stored; they need no server. */
export function withStoredEvents<T>(
  options: Pick<ApiOptions, "config" | "terminal">,
  work: (api: CommandApi) => Promise<T>,
): Promise<T> {
  return withApi({ ...options, prefix, scopes, probe: "/repositories?limit=1" }, work);
}
