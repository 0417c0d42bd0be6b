import { type Clock, type Logger, type Metrics, noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import type { Authenticator } from "./access.js";
import { HttpSetupError } from "./errors.js";
import {
  createIssuer,
  type ExternalAlgorithm,
  externalAlgorithms,
  type IssuerOptions,
  type TrustedIssuer,
} from "./issuers.js";
import { HttpProblem } from "./problems.js";
import type { Principal } from "./scopes.js";
import { readScopes, toPrincipal } from "./token-claims.js";
import { authFailuresCounter, type RefusalReason, TokenRefusal } from "./token-refusal.js";
import { defaultAudience, maxTokenLifetimeMs, ownIssuer, type TokenKey } from "./tokens.js";

export interface AuthenticatorOptions {
  /** Verifies own tokens. */
  readonly key: TokenKey;
  /** Whether the own token with this id was revoked. */
  readonly isRevoked: (tokenId: string) => boolean | Promise<boolean>;
  /** Accepted `aud` of own tokens, and of issuers that state none. */
  readonly audiences?: readonly string[];
  /**
   * Accepted `aud` beside these, each with what the names of its scopes begin with: a token for one system alone allows
   * nothing of the others, whatever scopes it claims.
   */
  readonly systemAudiences?: Readonly<Record<string, string>>;
  readonly issuers?: readonly IssuerOptions[];
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** How long one request to an issuer may take, with its body. */
  readonly issuerTimeoutMs?: number;
}

/** How far clocks may differ. */
const leewayMs = 30_000;
const maxTokenLength = 8192;
/** How long a verified token is taken without verifying its signature again, and how many of them are kept. */
const verifiedForMs = 60_000;
const maxVerified = 5000;

/**
 * Checks bearer tokens: own ones by the server's key, others by the keys that their issuer publishes.
 * Clients learn whether a token was missing, malformed, expired or refused; which check it was stands in the log and in
 * `signalbox_auth_failures_total`.
 * @throws {HttpSetupError} `HTTP_ISSUER_INVALID`.
 */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { key, isRevoked, audiences = [defaultAudience], systemAudiences = {}, clock = systemClock } = options;
  const logger = (options.logger ?? silentLogger).child("auth");
  const issuers = createIssuers(options.issuers ?? [], { clock, logger, fetchTimeoutMs: options.issuerTimeoutMs });
  const failures = authFailuresCounter(options.metrics ?? noMetrics);
  const verified = new Map<string, { readonly principal: Principal; readonly atMs: number }>();

  const lookUp = (token: string): Principal | undefined => {
    const entry = verified.get(token);
    if (entry === undefined) return undefined;
    if (clock.monotonicMs() - entry.atMs < verifiedForMs) return entry.principal;
    verified.delete(token);
    return undefined;
  };
  const keep = (token: string, principal: Principal): void => {
    // The oldest goes first; a Map keeps the order of insertion.
    if (verified.size >= maxVerified) for (const oldest of verified.keys()) if (verified.delete(oldest)) break;
    verified.set(token, { principal, atMs: clock.monotonicMs() });
  };

  const verify = async (token: string): Promise<Principal> => {
    const { algorithm, keyId, issuer } = readUnverified(token);
    const trusted = issuer === ownIssuer ? undefined : issuers.get(issuer);
    if (trusted === undefined && issuer !== ownIssuer) throw new TokenRefusal("unknown_issuer");
    if (trusted === undefined) {
      if (algorithm !== "EdDSA") throw new TokenRefusal("algorithm_refused");
      if (keyId !== key.keyId) throw new TokenRefusal("unknown_key");
    }
    const everywhere = trusted?.audiences ?? audiences;
    const systems = trusted?.audiences ? {} : systemAudiences;
    const verifyingKey = trusted ? await trusted.keyFor(algorithm, keyId) : key.publicKey;
    const { payload } = await jwtVerify(token, verifyingKey, {
      algorithms: [algorithm],
      issuer,
      audience: [...everywhere, ...Object.keys(systems)],
      clockTolerance: leewayMs / 1000,
      currentDate: new Date(clock.nowMs()),
      requiredClaims: ["exp", "sub"],
    });
    const principal = trusted ? externalPrincipal(payload, trusted) : ownPrincipal(payload);
    return withinAudience(principal, payload.aud, everywhere, systems);
  };

  const check = async (token: string | undefined): Promise<Principal> => {
    if (token === undefined) throw new TokenRefusal("missing");
    if (token === "" || token.length > maxTokenLength) throw new TokenRefusal("malformed");
    let principal = lookUp(token);
    if (principal === undefined) {
      principal = await verify(token);
      keep(token, principal);
    }
    if (clock.nowMs() >= principal.expiresAtMs + leewayMs) throw new TokenRefusal("expired");
    if (principal.issuer === ownIssuer && (await isRevoked(principal.tokenId))) throw new TokenRefusal("revoked");
    return principal;
  };

  return {
    isVerified: (token) => token !== undefined && lookUp(token) !== undefined,
    async authenticate(token) {
      try {
        return await check(token);
      } catch (error) {
        const refusal = toRefusal(error);
        if (refusal === undefined) throw error;
        failures.add(1, { reason: refusal.reason });
        if (refusal.reason !== "missing")
          logger.info("token refused", { reason: refusal.reason, error: refusal.cause ?? refusal });
        throw toAnswer(refusal);
      }
    },
  };
}

function createIssuers(
  options: readonly IssuerOptions[],
  dependencies: { clock: Clock; logger: Logger; fetchTimeoutMs: number | undefined },
): ReadonlyMap<string, TrustedIssuer> {
  const { clock, logger, fetchTimeoutMs } = dependencies;
  const issuers = new Map<string, TrustedIssuer>();
  for (const entry of options) {
    if (issuers.has(entry.issuer))
      throw new HttpSetupError("HTTP_ISSUER_INVALID", { message: `The issuer "${entry.issuer}" is configured twice.` });
    const limits = fetchTimeoutMs === undefined ? {} : { fetchTimeoutMs };
    issuers.set(entry.issuer, createIssuer(entry, { clock, logger, ...limits }));
  }
  return issuers;
}

/** What has to be known before a key can be chosen. Nothing of it is believed before the signature is checked. */
function readUnverified(token: string): { algorithm: ExternalAlgorithm; keyId: string | undefined; issuer: string } {
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    const algorithm = externalAlgorithms.find((accepted) => accepted === alg);
    if (algorithm === undefined) throw new TokenRefusal("algorithm_refused");
    if (typeof iss !== "string") throw new TokenRefusal("claims_invalid");
    return { algorithm, keyId: typeof kid === "string" ? kid : undefined, issuer: iss };
  } catch (error) {
    throw error instanceof TokenRefusal ? error : new TokenRefusal("malformed", { cause: error });
  }
}

function ownPrincipal(payload: JWTPayload): Principal {
  const { jti, iat, exp } = payload;
  if (typeof jti !== "string" || typeof iat !== "number" || typeof exp !== "number")
    throw new TokenRefusal("claims_invalid");
  if ((exp - iat) * 1000 > maxTokenLifetimeMs) throw new TokenRefusal("claims_invalid");
  return toPrincipal(payload, ownIssuer, readScopes(payload, { claim: "scope" }), jti);
}

function externalPrincipal(payload: JWTPayload, trusted: TrustedIssuer): Principal {
  // Without an id of its own a token shares its limits with the others of its subject.
  const tokenId = `${trusted.issuer} ${payload.jti ?? payload.sub}`;
  return toPrincipal(payload, trusted.issuer, trusted.scopesOf(payload), tokenId);
}

function withinAudience(
  principal: Principal,
  audience: JWTPayload["aud"],
  everywhere: readonly string[],
  systems: Readonly<Record<string, string>>,
): Principal {
  const sent = new Set([audience].flat());
  if (everywhere.some((accepted) => sent.has(accepted))) return principal;
  const prefixes = Object.entries(systems).flatMap(([accepted, prefix]) => (sent.has(accepted) ? [prefix] : []));
  const scopes = [...principal.scopes].filter((scope) => prefixes.some((prefix) => scope.startsWith(prefix)));
  return Object.freeze({ ...principal, scopes: new Set(scopes) });
}

/** `undefined` for errors that say nothing about the token. */
function toRefusal(error: unknown): TokenRefusal | undefined {
  if (error instanceof TokenRefusal) return error;
  if (!(error instanceof errors.JOSEError)) return undefined;
  return new TokenRefusal(reasonOf(error), { cause: error });
}

function reasonOf(error: errors.JOSEError): RefusalReason {
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "bad_signature";
  if (error instanceof errors.JOSEAlgNotAllowed) return "algorithm_refused";
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "aud") return "wrong_audience";
    return error.claim === "nbf" ? "not_yet_valid" : "claims_invalid";
  }
  return "malformed";
}

const challenge = 'Bearer realm="signalbox"';
const invalidTokenChallenge = { "www-authenticate": `${challenge}, error="invalid_token"` } as const;

function toAnswer({ reason }: TokenRefusal): HttpProblem {
  if (reason === "issuer_unavailable")
    return new HttpProblem("unavailable", {
      detail: "The token's issuer cannot be reached at the moment.",
      headers: { "retry-after": "5" },
    });
  if (reason === "missing") return new HttpProblem("missing_token", { headers: { "www-authenticate": challenge } });
  if (reason === "expired") return new HttpProblem("token_expired", { headers: invalidTokenChallenge });
  return new HttpProblem("invalid_token", {
    headers: invalidTokenChallenge,
    ...(reason === "malformed" ? { detail: "The bearer token cannot be read." } : {}),
  });
}
