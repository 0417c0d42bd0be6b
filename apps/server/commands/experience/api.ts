import { type ApiOptions, type CommandApi, withApi } from "../api.js";

/** The routes below `/api/v1/experience` of the running server: runs live where the tracker does. */
export function withExperienceApi<T>(
  options: Pick<ApiOptions, "config" | "terminal">,
  work: (api: CommandApi) => Promise<T>,
): Promise<T> {
  const scopes = ["experience:read", "experience:read_meta", "experience:write", "experience:admin"] as const;
  return withApi({ ...options, needsServer: true, prefix: "/api/v1/experience", scopes, probe: "/definitions" }, work);
}
