import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ApiError, setCsrfToken } from "./client.js";

export interface Session {
  readonly subject: string;
  readonly scopes: readonly string[];
  readonly projects: readonly number[] | null;
  readonly expires_at: string;
  readonly csrf_token: string;
}

const sessionKey = ["session"];

/** Null while nobody is logged in. */
export function useSession() {
  return useQuery({
    queryKey: sessionKey,
    staleTime: 60_000,
    refetchOnWindowFocus: true,
    queryFn: async (): Promise<Session | null> => remember(await request("GET")),
  });
}

export interface LoginChoice {
  readonly label: string;
  readonly href: string;
}

/** Where people can log in beside pasting a token. */
export function useLogins() {
  return useQuery({
    queryKey: ["logins"],
    staleTime: 600_000,
    queryFn: async (): Promise<readonly LoginChoice[]> => {
      const response = await fetch("/api/v1/session/logins");
      const body: unknown = response.ok ? await response.json() : [];
      return Array.isArray(body) ? body.filter(isChoice) : [];
    },
  });
}

function isChoice(value: unknown): value is LoginChoice {
  return typeof value === "object" && value !== null && "label" in value && "href" in value;
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
      const session = await request("POST", { authorization: `Bearer ${token.trim()}` });
      if (session === null) throw new ApiError(refusal);
      change(session);
    },
    async end(session: Session): Promise<void> {
      await request("DELETE", { "x-csrf-token": session.csrf_token });
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
  return session;
}

async function request(
  method: "GET" | "POST" | "DELETE",
  headers: Record<string, string> = {},
): Promise<Session | null> {
  const response = await fetch("/api/v1/session", { method, headers });
  if (response.status === 401 || response.status === 204) return null;
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok || !isSession(body))
    throw new ApiError({
      status: response.status,
      code: "session_failed",
      message: problemText(body) ?? `The server answered ${response.status}.`,
      correlationId: response.headers.get("x-correlation-id"),
    });
  return body;
}

function isSession(body: unknown): body is Session {
  return typeof body === "object" && body !== null && "csrf_token" in body && "scopes" in body;
}

function problemText(body: unknown): string | undefined {
  return typeof body === "object" && body !== null && "detail" in body && typeof body.detail === "string"
    ? body.detail
    : undefined;
}
