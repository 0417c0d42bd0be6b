import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Answer, ApiError, api, dataOf, setCsrfToken } from "./client.js";
import type { paths } from "./schema.js";

export type Session = paths["/api/v1/session"]["get"]["responses"]["200"]["content"]["application/json"];

const sessionKey = ["session"];

/** Whether this page was logged in and did not log out itself. */
let hadSession = false;

/** Whether nobody is logged in because the session ran out or was taken back. */
export function sessionWasLost(): boolean {
  return hadSession;
}

/** A request that is refused for want of a token: the session is looked at anew, and without one the login is shown. */
export function noteRefusal(error: Error, queries: QueryClient): void {
  if (error instanceof ApiError && error.status === 401)
    void queries.invalidateQueries({ queryKey: sessionKey }, { cancelRefetch: false });
}

/** Null while nobody is logged in. */
export function useSession() {
  return useQuery({
    queryKey: sessionKey,
    staleTime: 60_000,
    refetchOnWindowFocus: true,
    queryFn: async () => remember(await sessionOf(api.GET("/api/v1/session"))),
  });
}

/** Where people can log in beside pasting a token. */
export function useLogins() {
  return useQuery({
    queryKey: ["logins"],
    staleTime: 600_000,
    queryFn: () => dataOf(api.GET("/api/v1/session/logins")),
  });
}

/** Whether the session allows one of the scopes. */
export function allows(session: Session, ...scopes: readonly string[]): boolean {
  return session.scopes.includes("admin") || scopes.some((scope) => session.scopes.includes(scope));
}

export function useSessionActions() {
  const queries = useQueryClient();
  /** What the one before was shown is not for the next one. */
  const change = (session: Session | null): void => {
    queries.setQueryData(sessionKey, remember(session));
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionKey[0] });
  };
  return {
    async begin(token: string): Promise<void> {
      const session = await sessionOf(
        api.POST("/api/v1/session", { headers: { authorization: `Bearer ${token.trim()}` } }),
      );
      if (session === null) throw new ApiError(refusal);
      change(session);
    },
    async end(): Promise<void> {
      await dataOf(api.DELETE("/api/v1/session"));
      hadSession = false;
      change(null);
    },
  };
}

const refusal = {
  status: 401,
  code: "invalid_token",
  message: "The server does not take this token.",
  correlationId: null,
};

function remember(session: Session | null): Session | null {
  setCsrfToken(session?.csrf_token);
  if (session !== null) hadSession = true;
  return session;
}

/** Null for an answer that nobody is logged in. */
async function sessionOf(answer: Promise<Answer<Session>>): Promise<Session | null> {
  const { response } = await answer;
  return response.status === 401 ? null : dataOf(answer);
}
