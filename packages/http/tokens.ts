import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, open, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, errorCode, type Logger, silentLogger, systemClock, ulid } from "@signalbox/kernel";
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { HttpSetupError } from "./errors.js";
import { isScope, type Scope } from "./scopes.js";

/** `iss` of the tokens that this server signs. */
export const ownIssuer = "signalbox";

/** `aud` unless configured otherwise. */
export const defaultAudience = "signalbox";

/** Longest lifetime of an own token. */
export const maxTokenLifetimeMs = 365 * 24 * 60 * 60 * 1000;

/** The Ed25519 key pair that signs own tokens. */
export interface TokenKey {
  /** `kid` of its tokens: the thumbprint of the public key. */
  readonly keyId: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

const keyFileName = "token-key.json";

/**
 * The key in `directory`, made when there is none. Any number of processes may call it at once on one directory: all get
 * the same key. The file is complete or absent at any time, and readable by its owner alone; rights that were
 * widened are taken back.
 * @throws {HttpSetupError} `HTTP_TOKEN_KEY_UNREADABLE` when the file does not hold such a key.
 */
export async function createTokenKey(directory: string, logger: Logger = silentLogger): Promise<TokenKey> {
  const file = join(directory, keyFileName);
  const existing = await readIfThere(file);
  if (existing !== undefined) return useKey(existing, file, logger);
  await mkdir(directory, { recursive: true });
  await writeOnce(file, await newKeyText());
  return useKey(await readFile(file, "utf8"), file, logger);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw new HttpSetupError("HTTP_TOKEN_KEY_UNREADABLE", { message: `${file} cannot be read.`, cause: error });
  }
}

/** Written beside, flushed, then linked: linking fails when another process was first, whose key then holds. */
async function writeOnce(file: string, text: string): Promise<void> {
  const beside = `${file}.${process.pid}.${randomBytes(6).toString("hex")}`;
  const handle = await open(beside, "wx", 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(beside, file);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  } finally {
    await unlink(beside);
  }
}

async function newKeyText(): Promise<string> {
  const { privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  return `${JSON.stringify(await exportJWK(privateKey))}\n`;
}

async function useKey(text: string, file: string, logger: Logger): Promise<TokenKey> {
  await restrict(file, logger);
  try {
    const jwk = asKeyPair(parseSecret(text));
    const { d: _private, ...publicJwk } = jwk;
    const privateKey = await importJWK(jwk, "EdDSA");
    const publicKey = await importJWK(publicJwk, "EdDSA");
    if (privateKey instanceof Uint8Array || publicKey instanceof Uint8Array) throw new TypeError("not a key pair");
    return { keyId: await calculateJwkThumbprint(publicJwk), privateKey, publicKey };
  } catch (cause) {
    throw new HttpSetupError("HTTP_TOKEN_KEY_UNREADABLE", { message: `${file} does not hold an Ed25519 key.`, cause });
  }
}

/** The parser's own message quotes the text. */
function parseSecret(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TypeError("it is no JSON");
  }
}

function asKeyPair(value: unknown): JWK & { d: string } {
  if (typeof value === "object" && value !== null && "crv" in value && "x" in value && "d" in value) {
    const { crv, x, d } = value;
    if (crv === "Ed25519" && typeof x === "string" && typeof d === "string") return { kty: "OKP", crv, x, d };
  }
  throw new TypeError("not an Ed25519 key pair");
}

async function restrict(file: string, logger: Logger): Promise<void> {
  const { mode } = await stat(file);
  if ((mode & 0o077) === 0) return;
  try {
    await chmod(file, 0o600);
    logger.warn("the key that signs tokens was readable by others; its rights are restricted again", { file });
  } catch (error) {
    logger.warn("the key that signs tokens is readable by others", { file, error });
  }
}

export interface TokenRequest {
  readonly subject: string;
  readonly scopes: readonly Scope[];
  readonly lifetimeMs: number;
  /** Narrows the token to these projects. */
  readonly projects?: readonly number[];
  /** Narrows a producer's token to these experience ids; a final `*` matches any rest. */
  readonly experiences?: readonly string[];
  /** Narrows a producer's token to these experience types. */
  readonly experienceTypes?: readonly string[];
  readonly audience?: string;
}

export interface MintedToken {
  readonly token: string;
  /** What revoking it needs. */
  readonly tokenId: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/**
 * Signs a token. Nothing is stored: whoever lists or revokes tokens keeps `tokenId`.
 * @throws {HttpSetupError} `HTTP_TOKEN_CLAIMS_INVALID`.
 */
export async function mintToken(
  key: TokenKey,
  request: TokenRequest,
  clock: Clock = systemClock,
): Promise<MintedToken> {
  checkRequest(request);
  const tokenId = ulid();
  const issuedAtS = Math.floor(clock.nowMs() / 1000);
  const expiresAtS = issuedAtS + Math.floor(request.lifetimeMs / 1000);
  const { projects, experiences, experienceTypes } = request;
  const token = await new SignJWT({
    scope: request.scopes.join(" "),
    ...(projects ? { projects: [...projects] } : {}),
    ...(experiences ? { experiences: [...experiences] } : {}),
    ...(experienceTypes ? { experience_types: [...experienceTypes] } : {}),
  })
    .setProtectedHeader({ alg: "EdDSA", typ: "JWT", kid: key.keyId })
    .setIssuer(ownIssuer)
    .setAudience(request.audience ?? defaultAudience)
    .setSubject(request.subject)
    .setJti(tokenId)
    .setIssuedAt(issuedAtS)
    .setExpirationTime(expiresAtS)
    .sign(key.privateKey);
  return { token, tokenId, issuedAtMs: issuedAtS * 1000, expiresAtMs: expiresAtS * 1000 };
}

function checkRequest(request: TokenRequest): void {
  const fault = faultOf(request);
  if (fault !== undefined) throw new HttpSetupError("HTTP_TOKEN_CLAIMS_INVALID", { message: fault });
}

function faultOf({ subject, scopes, lifetimeMs, projects }: TokenRequest): string | undefined {
  if (subject === "") return "A token needs a subject.";
  if (scopes.length === 0) return "A token needs at least one scope.";
  const unknown = scopes.find((scope) => !isScope(scope));
  if (unknown !== undefined) return `There is no scope "${unknown}".`;
  if (!(lifetimeMs >= 1000 && lifetimeMs <= maxTokenLifetimeMs))
    return "A token lives at least a second and at most 365 days.";
  if (projects?.some((id) => !Number.isSafeInteger(id) || id < 1)) return "Projects are given by their positive ids.";
  return undefined;
}
