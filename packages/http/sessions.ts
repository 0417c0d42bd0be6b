import { createHmac, timingSafeEqual } from "node:crypto";
import { type Clock, systemClock } from "@signalbox/kernel";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { principalOf } from "./access.js";
import { bearerToken } from "./authorize.js";
import { cookieOf } from "./cookies.js";
import { HttpProblem } from "./problems.js";
import { allowedScopes, type Principal, scopes } from "./scopes.js";

export interface SessionOptions {
  /** Whether browsers reach the server by HTTPS, so that the cookie is never sent over anything else. */
  readonly isSecure: () => boolean;
  readonly clock?: Clock;
}

/**
 * Sessions of browsers: a token in a cookie that scripts cannot read. Nothing is kept on the server, so a session ends
 * with its token: when it expires or is revoked.
 */
export interface Sessions {
  /**
   * Where a request's token is: in `Authorization`, else in the cookie. A request that may change something is taken
   * from the cookie only together with the session's CSRF token in `X-CSRF-Token`.
   * @throws {HttpProblem} 403 `csrf_token_invalid`
   */
  readToken(request: FastifyRequest): string | undefined;
  /**
   * Makes the browser keep a token that was found good, as long as it is.
   * @throws {HttpProblem} `invalid_parameter` when it does not fit into a cookie.
   */
  begin(reply: FastifyReply, token: string, principal: Principal): void;
  /** `/api/v1/session`: begin, look at, end. */
  readonly routes: FastifyPluginAsync;
}

const cookieName = "signalbox_session";
/** Browsers drop longer cookies without a word. */
const maxCookieLength = 4000;
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export function createSessions({ isSecure, clock = systemClock }: SessionOptions): Sessions {
  const setCookie = (reply: FastifyReply, value: string, maxAgeS: number): void => {
    const attributes = [`${cookieName}=${value}`, "Path=/", "HttpOnly", "SameSite=Lax", `Max-Age=${maxAgeS}`];
    reply.header("set-cookie", [...attributes, ...(isSecure() ? ["Secure"] : [])].join("; "));
    reply.header("cache-control", "no-store");
  };

  const begin = (reply: FastifyReply, token: string, principal: Principal): void => {
    if (token.length > maxCookieLength)
      throw new HttpProblem("invalid_parameter", {
        detail: `A token of more than ${maxCookieLength} characters does not fit into a cookie.`,
      });
    setCookie(reply, token, Math.max(0, Math.floor((principal.expiresAtMs - clock.nowMs()) / 1000)));
  };

  const routes: FastifyPluginAsync = async (app) => {
    app.post(
      "/api/v1/session",
      {
        config: { access: { scope: scopes }, readToken: bearerToken },
        schema: {
          summary: "Begin a session",
          description: "Takes the bearer token of the request into a cookie that the browser keeps from scripts.",
          tags: ["session"],
          response: { 201: { description: "The session has begun.", ...sessionSchema } },
        },
      },
      async (request, reply) => {
        const token = bearerToken(request) ?? "";
        const principal = principalOf(request);
        begin(reply, token, principal);
        return reply.code(201).send(describeSession(principal, token));
      },
    );

    app.get(
      "/api/v1/session",
      {
        config: { access: { scope: scopes } },
        schema: {
          summary: "Look at the session",
          description: "Whose token the request has, what it allows, and what changing something takes.",
          tags: ["session"],
          response: { 200: { description: "The session.", ...sessionSchema } },
        },
      },
      async (request, reply) => {
        reply.header("cache-control", "no-store");
        return describeSession(principalOf(request), bearerToken(request) ?? sessionToken(request) ?? "");
      },
    );

    app.delete(
      "/api/v1/session",
      {
        config: { access: "public" },
        schema: {
          summary: "End the session",
          description:
            "Makes the browser forget the cookie. The token itself stays valid until it expires or is revoked.",
          tags: ["session"],
          response: { 204: { type: "null", description: "There is no session any more." } },
        },
      },
      async (request, reply) => {
        const token = sessionToken(request);
        if (token !== undefined) requireCsrfToken(request, token);
        setCookie(reply, "", 0);
        return reply.code(204).send(null);
      },
    );
  };

  return {
    readToken(request) {
      const token = bearerToken(request);
      if (token !== undefined) return token;
      const fromCookie = sessionToken(request);
      if (fromCookie !== undefined && !safeMethods.has(request.method)) requireCsrfToken(request, fromCookie);
      return fromCookie;
    },
    begin,
    routes,
  };
}

const sessionSchema = {
  content: {
    "application/json": {
      schema: {
        type: "object",
        required: ["subject", "scopes", "projects", "expires_at", "csrf_token"],
        properties: {
          subject: { type: "string", examples: ["token:ci"] },
          scopes: { type: "array", items: { type: "string" }, examples: [["errors:read"]] },
          projects: {
            anyOf: [{ type: "array", items: { type: "integer" } }, { type: "null" }],
            description: "The projects that the token is narrowed to; null: all.",
            examples: [null],
          },
          expires_at: { type: "string", format: "date-time", examples: ["2030-01-01T00:00:00.000Z"] },
          csrf_token: {
            type: "string",
            description: "Goes into `X-CSRF-Token` of requests that change something.",
            examples: ["2fPp3Yg6bGk2m8sN0qvZ4xWcT1uLhJrE5dAoKiBnM7Q"],
          },
        },
      },
    },
  },
} as const;

function describeSession(principal: Principal, token: string) {
  const { subject, projects, expiresAtMs } = principal;
  return {
    subject,
    scopes: allowedScopes(principal),
    projects: projects ?? null,
    expires_at: new Date(expiresAtMs).toISOString(),
    csrf_token: csrfTokenOf(token),
  };
}

/** Only who knows the token can work it out, and another site's page does not. */
function csrfTokenOf(token: string): string {
  return createHmac("sha256", token).update("signalbox csrf").digest("base64url");
}

function requireCsrfToken(request: FastifyRequest, token: string): void {
  const given = Buffer.from(String(request.headers["x-csrf-token"] ?? ""));
  const wanted = Buffer.from(csrfTokenOf(token));
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new HttpProblem("csrf_token_invalid");
}

/** The token in the session's cookie. */
function sessionToken(request: FastifyRequest): string | undefined {
  return cookieOf(request, cookieName);
}
