import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Logger } from "@signalbox/kernel";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { decodeJwt } from "jose";
import type { Authenticator } from "./access.js";
import { cookieOf } from "./cookies.js";
import { discoverIssuer, endpointOf, fetchDocument } from "./issuers.js";
import { HttpProblem } from "./problems.js";
import type { Principal } from "./scopes.js";
import type { Sessions } from "./sessions.js";

/** An issuer that people can log in at. */
export interface LoginOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** For issuers that want one beside PKCE. */
  readonly clientSecret?: string;
  /** What the button says. Default: the issuer's host. */
  readonly label?: string;
  /** What is asked for. Default `openid`. */
  readonly scope?: string;
}

export interface LoginDependencies {
  readonly logins: readonly LoginOptions[];
  readonly sessions: Sessions;
  readonly authenticator: Authenticator;
  /** Where browsers reach this server, without a slash at the end; undefined: where the request came to. */
  readonly publicUrl: () => string | undefined;
  readonly isSecure: () => boolean;
  readonly logger: Logger;
  /** How long one request to the issuer may take. Default 5,000. */
  readonly fetchTimeoutMs?: number;
}

const cookieName = "signalbox_login";
const cookiePath = "/api/v1/session/login";
/** Somebody may have to find a password first. */
const loginWithinS = 600;
const callbackPath = "/api/v1/session/login/callback";

/** What a browser brings back with the answer of the issuer. */
interface Attempt {
  /** Which of the logins. */
  readonly login: number;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** Where the browser was. */
  readonly to: string;
}

/**
 * `/api/v1/session/login`: authorization code with PKCE. What belongs to an attempt is in a cookie that scripts cannot
 * read, so nothing is kept here and any replica can finish what another began. Who comes back has the session's cookie,
 * or is told by `login=failed` or `login=refused` in the address that there is none; why stands in the log.
 */
export function createLogins(dependencies: LoginDependencies): FastifyPluginAsync {
  const { logins, sessions, authenticator, isSecure, fetchTimeoutMs: timeoutMs = 5000 } = dependencies;
  const logger = dependencies.logger.child("login");
  const setCookie = (reply: FastifyReply, value: string, maxAgeS: number): void => {
    const attributes = [
      `${cookieName}=${value}`,
      `Path=${cookiePath}`,
      "HttpOnly",
      "SameSite=Lax",
      `Max-Age=${maxAgeS}`,
    ];
    reply.header("set-cookie", [...attributes, ...(isSecure() ? ["Secure"] : [])].join("; "));
    reply.header("cache-control", "no-store");
  };
  const callbackUrl = (request: FastifyRequest): string =>
    `${dependencies.publicUrl() ?? `${request.protocol}://${request.host}`}${callbackPath}`;
  const backTo = (to: string, outcome?: "failed" | "refused"): string =>
    outcome === undefined ? to : `${to}${to.includes("?") ? "&" : "?"}login=${outcome}`;

  return async (app) => {
    app.get("/api/v1/session/logins", {
      config: { access: "public" },
      schema: {
        summary: "List where people can log in",
        tags: ["session"],
        response: {
          200: {
            description: "Issuers with which a session can begin.",
            type: "array",
            items: {
              type: "object",
              required: ["label", "href"],
              properties: { label: { type: "string" }, href: { type: "string" } },
            },
            examples: [[{ label: "git.example.com", href: "/api/v1/session/login/0" }]],
          },
        },
      },
      handler: async () =>
        logins.map(({ label, issuer }, index) => ({
          label: label ?? new URL(issuer).host,
          href: `${cookiePath}/${index}`,
        })),
    });

    app.get<{ Params: { login: number }; Querystring: { to: string } }>(`${cookiePath}/:login`, {
      config: { access: "public", errors: ["not_found"] },
      schema: {
        summary: "Begin to log in at an issuer",
        tags: ["session"],
        params: {
          type: "object",
          properties: { login: { type: "integer", minimum: 0, description: "Which one of the list.", examples: [0] } },
        },
        querystring: {
          type: "object",
          properties: {
            to: {
              type: "string",
              default: "/",
              maxLength: 1000,
              description: "Page of the dashboard to come back to.",
              examples: ["/overview"],
            },
          },
        },
        response: { 302: { type: "null", description: "To the issuer." } },
      },
      async handler(request, reply) {
        const chosen = logins[request.params.login];
        if (chosen === undefined) throw new HttpProblem("not_found");
        const to = localPath(request.query.to);
        const attempt = { login: request.params.login, state: secret(), nonce: secret(), verifier: secret(), to };
        let address: URL;
        try {
          address = endpointOf(await discoverIssuer(chosen.issuer, timeoutMs), "authorization_endpoint", chosen.issuer);
        } catch (error) {
          logger.warn("a login cannot begin", { issuer: chosen.issuer, error });
          return reply.redirect(backTo(to, "failed"), 302);
        }
        const parameters = {
          response_type: "code",
          client_id: chosen.clientId,
          redirect_uri: callbackUrl(request),
          scope: chosen.scope ?? "openid",
          state: attempt.state,
          nonce: attempt.nonce,
          code_challenge: createHash("sha256").update(attempt.verifier).digest("base64url"),
          code_challenge_method: "S256",
        };
        for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
        setCookie(reply, Buffer.from(JSON.stringify(attempt)).toString("base64url"), loginWithinS);
        return reply.redirect(address.href, 302);
      },
    });

    app.get<{ Querystring: { code?: string; state?: string; error?: string } }>(callbackPath, {
      config: { access: "public" },
      schema: {
        summary: "Finish to log in",
        description: "Where the issuer sends the browser back to.",
        tags: ["session"],
        querystring: {
          type: "object",
          properties: {
            code: {
              type: "string",
              maxLength: 4000,
              description: "What the issuer gives a token for.",
              examples: ["x"],
            },
            state: { type: "string", maxLength: 200, description: "As it was sent to the issuer.", examples: ["y"] },
            error: {
              type: "string",
              maxLength: 200,
              description: "Why there is no code.",
              examples: ["access_denied"],
            },
          },
        },
        response: { 302: { type: "null", description: "To the page where the browser was." } },
      },
      async handler(request, reply) {
        const attempt = readAttempt(cookieOf(request, cookieName));
        const { code, state = "", error: refusal } = request.query;
        const chosen = attempt && logins[attempt.login];
        // Who did not begin here must not be logged in: else one could be made to use somebody else's session.
        if (attempt === undefined || chosen === undefined || !isSame(state, attempt.state)) {
          logger.warn("a login was answered that did not begin in this browser", {});
          return reply.redirect(backTo("/", "failed"), 302);
        }
        try {
          if (code === undefined) throw new Error(`the issuer gave no code: ${refusal ?? "no reason"}`);
          const answer = await exchange(chosen, code, attempt, callbackUrl(request), timeoutMs);
          setCookie(reply, "", 0);
          return await beginWith(answer, chosen, attempt, reply);
        } catch (error) {
          const refused = error instanceof HttpProblem && (error.status === 401 || error.status === 403);
          logger.warn(refused ? "the token of a login was refused" : "a login failed", {
            issuer: chosen.issuer,
            error,
          });
          return reply.redirect(backTo(attempt.to, refused ? "refused" : "failed"), 302);
        }
      },
    });

    const beginWith = async (
      answer: Record<string, unknown>,
      { issuer }: LoginOptions,
      attempt: Attempt,
      reply: FastifyReply,
    ): Promise<FastifyReply> => {
      const { access_token: access, id_token: identity } = answer;
      if (typeof identity !== "string") throw new Error("the issuer sent no id_token");
      // It came from the issuer itself over a connection of our own; the nonce says that it is for this attempt.
      const { nonce, iss } = decodeJwt(identity);
      if (iss !== issuer || typeof nonce !== "string" || !isSame(nonce, attempt.nonce))
        throw new Error("the id_token is not for this login");
      for (const token of [access, identity]) {
        if (typeof token !== "string" || token.split(".").length !== 3) continue;
        const principal = await authenticator
          .authenticate(token)
          .then(withAnyScope)
          .catch((error: unknown) => {
            if (token === identity) throw error;
            return undefined;
          });
        if (principal === undefined) continue;
        const cleared = reply.getHeader("set-cookie");
        sessions.begin(reply, token, principal);
        const begun = reply.getHeader("set-cookie");
        reply.removeHeader("set-cookie");
        for (const cookie of [cleared, begun].flat())
          if (cookie !== undefined) reply.header("set-cookie", String(cookie));
        break;
      }
      return reply.redirect(attempt.to, 302);
    };
  };
}

/** Whose token allows nothing would log in to see nothing, not even a way out. */
function withAnyScope(principal: Principal): Principal {
  if (principal.scopes.size === 0) throw new HttpProblem("insufficient_scope");
  return principal;
}

async function exchange(
  { issuer, clientId, clientSecret }: LoginOptions,
  code: string,
  { verifier }: Attempt,
  redirectUri: string,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const address = endpointOf(await discoverIssuer(issuer, timeoutMs), "token_endpoint", issuer);
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    code,
    redirect_uri: redirectUri,
    client_id: clientId,
    code_verifier: verifier,
  });
  const basic = (secretText: string): string =>
    Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secretText)}`).toString("base64");
  return fetchDocument(address.href, timeoutMs, {
    method: "POST",
    body,
    ...(clientSecret === undefined ? {} : { headers: { authorization: `Basic ${basic(clientSecret)}` } }),
  });
}

function readAttempt(cookie: string | undefined): Attempt | undefined {
  if (cookie === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(cookie, "base64url").toString("utf8"));
    if (typeof value !== "object" || value === null) return undefined;
    const read = (name: string): unknown => Reflect.get(value, name);
    const [login, state, nonce, verifier, to] = ["login", "state", "nonce", "verifier", "to"].map(read);
    if (!Number.isSafeInteger(login)) return undefined;
    if (typeof state !== "string" || typeof nonce !== "string" || typeof verifier !== "string") return undefined;
    return { login: Number(login), state, nonce, verifier, to: localPath(typeof to === "string" ? to : "/") };
  } catch {
    return undefined;
  }
}

/** A path of this server; whatever else is asked for becomes the first page. */
function localPath(to: string): string {
  const base = "http://here.invalid";
  if (!to.startsWith("/") || !URL.canParse(to, base)) return "/";
  const { origin, pathname, search } = new URL(to, base);
  // A path may begin with two slashes in the end, and browsers take that for another host.
  return origin === base && !pathname.startsWith("//") ? `${pathname}${search}` : "/";
}

function secret(): string {
  return randomBytes(32).toString("base64url");
}

function isSame(given: string, wanted: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(wanted)];
  return left.length === right.length && timingSafeEqual(left, right);
}
