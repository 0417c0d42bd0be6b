import type { Clock, Logger } from "@signalbox/kernel";
import { type CryptoKey, importJWK, type JWK, type JWTPayload } from "jose";
import { HttpSetupError } from "./errors.js";
import { parseJson } from "./json-body.js";
import type { Scope } from "./scopes.js";
import { readScopes, type ScopeClaim } from "./token-claims.js";
import { TokenRefusal } from "./token-refusal.js";

/** An issuer whose tokens are accepted: one entry of `auth.issuers`. */
export interface IssuerOptions {
  /** Exactly as in `iss` and in the discovery document; https, or http on a loopback address. */
  readonly issuer: string;
  /** Accepted `aud`, instead of the server's. */
  readonly audience?: string | readonly string[];
  /** Default: claim `scope`. */
  readonly scopes?: ScopeClaim;
}

export interface TrustedIssuer {
  readonly issuer: string;
  readonly audiences: readonly string[] | undefined;
  /**
   * The key that this issuer publishes under `keyId`; without one, its only key for the algorithm.
   * @throws {TokenRefusal} `unknown_key`; `issuer_unavailable` when no key was ever fetched and none can be now.
   */
  keyFor(algorithm: ExternalAlgorithm, keyId: string | undefined): Promise<CryptoKey>;
  scopesOf(payload: JWTPayload): Scope[];
}

export const externalAlgorithms = ["RS256", "ES256", "EdDSA"] as const;
export type ExternalAlgorithm = (typeof externalAlgorithms)[number];

export interface IssuerDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long one request to the issuer may take, with its body. Default: 5 s. */
  readonly fetchTimeoutMs?: number;
}

/** Keys older than this are fetched again, while the old ones stay in use. */
const maxKeyAgeMs = 10 * 60 * 1000;
/** Between two fetches caused by unknown key ids, and between two attempts to renew old keys. */
const refetchIntervalMs = 30_000;
/** Between two attempts to get a first key set. */
const firstFetchIntervalMs = 5_000;
const maxDocumentBytes = 256 * 1024;
const maxKeys = 100;

interface IssuerKey {
  readonly algorithm: ExternalAlgorithm;
  readonly keyId: string | undefined;
  readonly key: CryptoKey;
}

/**
 * Fetches the keys of an issuer by OIDC discovery when they are first needed, and again when they are old or a key id is
 * unknown. Concurrent needs share one fetch. Keys are never dropped because the issuer is away or publishes
 * nothing usable.
 * @throws {HttpSetupError} `HTTP_ISSUER_INVALID` when the issuer is not an acceptable URL.
 */
export function createIssuer(options: IssuerOptions, dependencies: IssuerDependencies): TrustedIssuer {
  checkIssuerUrl(options.issuer);
  const { clock, logger } = dependencies;
  let keys: readonly IssuerKey[] = [];
  let fetchedAtMs = Number.NEGATIVE_INFINITY;
  let attemptedAtMs = Number.NEGATIVE_INFINITY;
  let refetchedAtMs = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | undefined;

  const fetchOnce = async (): Promise<void> => {
    attemptedAtMs = clock.monotonicMs();
    try {
      keys = await fetchKeys(options.issuer, dependencies.fetchTimeoutMs ?? 5000);
      fetchedAtMs = clock.monotonicMs();
    } catch (error) {
      logger.warn("the keys of a token issuer cannot be fetched", {
        issuer: options.issuer,
        keys_in_use: keys.length,
        error,
      });
    }
  };
  const fetchMerged = (): Promise<void> => {
    fetching ??= fetchOnce().finally(() => {
      fetching = undefined;
    });
    return fetching;
  };
  const since = (atMs: number): number => clock.monotonicMs() - atMs;

  return {
    issuer: options.issuer,
    audiences: options.audience === undefined ? undefined : [options.audience].flat(),
    scopesOf: (payload) => readScopes(payload, options.scopes ?? { claim: "scope" }),
    async keyFor(algorithm, keyId) {
      if (keys.length === 0 && (fetching || since(attemptedAtMs) >= firstFetchIntervalMs)) await fetchMerged();
      if (keys.length === 0) throw new TokenRefusal("issuer_unavailable");
      if (since(fetchedAtMs) >= maxKeyAgeMs && since(attemptedAtMs) >= refetchIntervalMs) void fetchMerged();
      const known = findKey(keys, algorithm, keyId);
      if (known !== undefined) return known;
      if (fetching === undefined && since(refetchedAtMs) < refetchIntervalMs) throw new TokenRefusal("unknown_key");
      refetchedAtMs = clock.monotonicMs();
      await fetchMerged();
      const fetched = findKey(keys, algorithm, keyId);
      if (fetched === undefined) throw new TokenRefusal("unknown_key");
      return fetched;
    },
  };
}

function findKey(
  keys: readonly IssuerKey[],
  algorithm: ExternalAlgorithm,
  keyId: string | undefined,
): CryptoKey | undefined {
  const candidates = keys.filter((key) => key.algorithm === algorithm && (keyId === undefined || key.keyId === keyId));
  return candidates.length === 1 ? candidates[0]?.key : undefined;
}

function checkIssuerUrl(issuer: string): void {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  if (url === undefined || !isAcceptable(url) || url.search !== "" || url.hash !== "")
    throw new HttpSetupError("HTTP_ISSUER_INVALID", {
      message: `The issuer "${issuer}" is not an https URL without query.`,
    });
}

const loopbackHosts = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

function isAcceptable(url: URL): boolean {
  if (url.username !== "" || url.password !== "") return false;
  return url.protocol === "https:" || (url.protocol === "http:" && loopbackHosts.test(url.hostname));
}

/** What an issuer says of itself. @throws {Error} saying what is wrong with it. */
export async function discoverIssuer(issuer: string, timeoutMs: number): Promise<Record<string, unknown>> {
  const discovery = await fetchDocument(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, timeoutMs);
  if (discovery["issuer"] !== issuer) throw new Error("the discovery document names another issuer");
  return discovery;
}

/** An address in a discovery document. @throws {Error} when it is missing, or not as safe as the issuer's own. */
export function endpointOf(discovery: Record<string, unknown>, name: string, issuer: string): URL {
  const address = discovery[name];
  if (typeof address !== "string" || !URL.canParse(address)) throw new Error(`the discovery document has no ${name}`);
  const url = new URL(address);
  const downgraded = url.protocol === "http:" && issuer.startsWith("https:");
  if (downgraded || !isAcceptable(url)) throw new Error(`the ${name} is not acceptable`);
  return url;
}

async function fetchKeys(issuer: string, timeoutMs: number): Promise<readonly IssuerKey[]> {
  const jwksUri = endpointOf(await discoverIssuer(issuer, timeoutMs), "jwks_uri", issuer);
  const { keys: published } = await fetchDocument(jwksUri.href, timeoutMs);
  if (!Array.isArray(published)) throw new Error("the key set has no keys");
  const keys: IssuerKey[] = [];
  for (const jwk of published.slice(0, maxKeys)) {
    const key = await importKey(jwk);
    if (key !== undefined) keys.push(key);
  }
  if (keys.length === 0) throw new Error("the key set has no usable key");
  return keys;
}

/** A JSON object; redirects, other statuses, long bodies and slow answers are errors. */
export async function fetchDocument(
  url: string,
  timeoutMs: number,
  request: {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    readonly body?: URLSearchParams;
  } = {},
): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    ...request,
    redirect: "error",
    headers: { accept: "application/json", ...request.headers },
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`${url} answered ${response.status}`);
  }
  const document = parseJson(await readLimited(response, url), 32);
  if (!isRecord(document)) throw new Error(`${url} did not answer with a JSON object`);
  return document;
}

async function readLimited(response: Response, url: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the body.
    if (bytes > maxDocumentBytes) throw new Error(`${url} answered with more than ${maxDocumentBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `undefined` for keys that are not for verifying signatures with an accepted algorithm. */
async function importKey(jwk: unknown): Promise<IssuerKey | undefined> {
  if (!isRecord(jwk)) return undefined;
  const { use, key_ops: operations, alg, kid } = jwk;
  if (use !== undefined && use !== "sig") return undefined;
  if (Array.isArray(operations) && !operations.includes("verify")) return undefined;
  const accepted = publicPart(jwk);
  if (accepted === undefined || (alg !== undefined && alg !== accepted.algorithm)) return undefined;
  try {
    const key = await importJWK(accepted.jwk, accepted.algorithm);
    if (key instanceof Uint8Array) return undefined;
    return { algorithm: accepted.algorithm, keyId: typeof kid === "string" ? kid : undefined, key };
  } catch {
    return undefined;
  }
}

/** Shortest modulus of an RSA key, in base64url characters: 2,048 bits. */
const minModulusLength = 342;

/** Only the public members; a key published with its private part is everybody's and good for nothing. */
function publicPart(jwk: Record<string, unknown>): { algorithm: ExternalAlgorithm; jwk: JWK } | undefined {
  const { kty, crv, n, e, x, y, d } = jwk;
  if (d !== undefined) return undefined;
  if (kty === "RSA" && typeof n === "string" && typeof e === "string" && n.length >= minModulusLength)
    return { algorithm: "RS256", jwk: { kty, n, e } };
  if (kty === "EC" && crv === "P-256" && typeof x === "string" && typeof y === "string")
    return { algorithm: "ES256", jwk: { kty, crv, x, y } };
  if (kty === "OKP" && crv === "Ed25519" && typeof x === "string") return { algorithm: "EdDSA", jwk: { kty, crv, x } };
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
