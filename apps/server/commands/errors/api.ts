import { type ApiOptions, type CommandApi, withApi } from "../api.js";

/** The routes below `/api/v1`, with the rights for errors. */
export function withErrorsApi<T>(
  options: Pick<ApiOptions, "config" | "terminal">,
  work: (api: CommandApi) => Promise<T>,
): Promise<T> {
  const scopes = ["errors:read", "errors:write", "errors:admin"] as const;
  return withApi({ ...options, withHistory: true, prefix: "/api/v1", scopes, probe: "/projects" }, work);
}
