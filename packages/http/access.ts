import type { FastifyRequest } from "fastify";
import { HttpProblem } from "./problems.js";
import { hasScope, isNarrowedAdmin, type Principal, type Scope } from "./scopes.js";

/**
 * Who may call a route. Every route states it.
 * - `public`: anyone; per-address limits apply.
 * - `protocol`: the route's own protocol knows its credentials (a DSN key, a Nostr signature) and limits.
 * - `{ scope }`: a bearer token with that scope; of a list, any one of them.
 */
export type Access = "public" | "protocol" | { readonly scope: Scope | readonly Scope[] };

/** Checks the `Authorization` header's token, or one that a route found elsewhere. */
export interface Authenticator {
  /**
   * The principal of a bearer token (without the word `Bearer`).
   * @throws {HttpProblem} `missing_token`, `invalid_token` or `token_expired` (401); `unavailable` (503) when its issuer
   * or the list of revoked tokens cannot be reached.
   */
  authenticate(token: string | undefined): Promise<Principal>;
  /** Whether this very token was found good a short while ago; never wrong about a token that was not. */
  isVerified(token: string | undefined): boolean;
}

/** The principal of a request to a route with a scope. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === null) throw new HttpProblem("missing_token");
  return request.principal;
}

/** The scopes of which a route needs one; none for public and protocol routes. */
export function scopesOf(access: Access): readonly Scope[] {
  if (typeof access === "string") return [];
  return typeof access.scope === "string" ? [access.scope] : access.scope;
}

/** @throws {HttpProblem} 403 `insufficient_scope` naming the scopes of which one is needed. */
export function requireScope(principal: Principal, needed: readonly Scope[]): void {
  if (needed.some((scope) => hasScope(principal, scope))) return;
  const lacking = `The token lacks the scope ${needed.join(" or ")}.`;
  const why = " Narrowed to projects, its admin allows only what belongs to these.";
  throw new HttpProblem("insufficient_scope", {
    detail: isNarrowedAdmin(principal) ? lacking + why : lacking,
    headers: {
      "www-authenticate": `Bearer realm="signalbox", error="insufficient_scope", scope="${needed.join(" ")}"`,
    },
  });
}
