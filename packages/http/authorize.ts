import type { Counter } from "@signalbox/kernel";
import type { FastifyRequest } from "fastify";
import { type Authenticator, requireScope } from "./access.js";
import { HttpProblem } from "./problems.js";
import type { RequestLimits } from "./request-limits.js";
import { type Route, routeOf } from "./route.js";
import type { Principal } from "./scopes.js";

export interface Authorization {
  readonly authenticator: Authenticator | undefined;
  /** Where the token is on routes that do not say it themselves. */
  readonly readToken: (request: FastifyRequest) => string | undefined;
  readonly limits: RequestLimits | undefined;
  readonly authFailures: Counter;
}

/**
 * Lets a request pass whose token has one of the route's scopes, and notes its principal.
 * @throws {HttpProblem} 401, 403, 429, or 503 when the token cannot be checked.
 */
export async function authorize(request: FastifyRequest, route: Route, how: Authorization): Promise<void> {
  const { authenticator, limits } = how;
  // Registration has seen to it that there is one; without it nobody passes.
  if (authenticator === undefined) throw new HttpProblem("missing_token");
  const token = (route.readToken ?? how.readToken)(request);
  if (!authenticator.isVerified(token)) limits?.checkFailedLogins(request.clientAddress);
  try {
    request.principal = route.readPrincipal?.(request) ?? (await authenticator.authenticate(token));
  } catch (error) {
    const failed = error instanceof HttpProblem && error.status === 401 && error.code !== "missing_token";
    if (failed) limits?.countFailedLogin(request.clientAddress);
    throw error;
  }
  if (route.sharedRateLimit) limits?.countToken(request.principal.tokenId);
  try {
    requireScope(request.principal, route.scopes);
  } catch (error) {
    how.authFailures.add(1, { reason: "insufficient_scope" });
    throw error;
  }
}

/** The principal of a request's token now; limits do not count it. @throws {HttpProblem} as `authorize`. */
export async function verifyAgain(request: FastifyRequest, how: Authorization): Promise<Principal> {
  if (how.authenticator === undefined) throw new HttpProblem("missing_token");
  const route = routeOf(request);
  return route.readPrincipal?.(request) ?? how.authenticator.authenticate((route.readToken ?? how.readToken)(request));
}

/** `undefined` without a bearer token, the empty string when there is one that cannot be read. */
export function bearerToken(request: FastifyRequest): string | undefined {
  const header = request.headers.authorization;
  if (header === undefined || !/^bearer(?: |$)/i.test(header)) return undefined;
  return header.slice("bearer".length).trim();
}
