import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { createVirtualClock, systemClock } from "@signalbox/kernel";
import { decodeJwt, SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAuthenticator } from "./authenticator.js";
import { createTokenKey, maxTokenLifetimeMs, mintToken, type TokenKey, type TokenRequest } from "./tokens.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "signalbox-key-"));
});
afterEach(() => rm(directory, { recursive: true }));

const hourMs = 3_600_000;
const request: TokenRequest = { subject: "ci", scopes: ["errors:read"], lifetimeMs: hourMs };
const allGood = { isRevoked: () => false };

describe("PF-032 the key that signs own tokens", () => {
  const file = () => join(directory, "token-key.json");

  test("PF-032 is made on first start, for its owner's eyes alone, and stays", async () => {
    const first = await createTokenKey(join(directory, "deeper"));
    const { mode } = await stat(join(directory, "deeper", "token-key.json"));
    expect(mode & 0o777).toBe(0o600);
    expect((await createTokenKey(join(directory, "deeper"))).keyId).toBe(first.keyId);
    expect(await readdir(join(directory, "deeper"))).toEqual(["token-key.json"]);
  });

  test("PF-032 rights that were widened are taken back", async () => {
    await createTokenKey(directory);
    await chmod(file(), 0o644);
    await createTokenKey(directory);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
  });

  test("PF-032 a file that holds no such key is an error, not a new key", async () => {
    for (const text of ["", "{}", '{"kty":"OKP","crv":"X25519","x":"AA","d":"AA"}']) {
      await writeFile(file(), text);
      await expect(createTokenKey(directory)).rejects.toMatchObject({ code: "HTTP_TOKEN_KEY_UNREADABLE" });
      expect(await readFile(file(), "utf8")).toBe(text);
    }
  });

  test("PF-022 the error of a damaged key file quotes nothing of it", async () => {
    await writeFile(file(), '{"d":"hunter2" "x":"AA"}');
    const error = await createTokenKey(directory).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "HTTP_TOKEN_KEY_UNREADABLE" });
    expect(inspect(error, { depth: null })).not.toContain("hunter2");
  });
});

describe("PF-032 own tokens", () => {
  let key: TokenKey;
  beforeEach(async () => {
    key = await createTokenKey(directory);
  });

  test("PF-032 carry what was asked for, and come back as it", async () => {
    const minted = await mintToken(key, {
      ...request,
      projects: [1, 2],
      experiences: ["ci_*"],
      experienceTypes: ["async_fast"],
    });
    const principal = await createAuthenticator({ key, ...allGood }).authenticate(minted.token);
    expect(principal).toMatchObject({
      subject: "ci",
      issuer: "signalbox",
      scopes: new Set(["errors:read"]),
      projects: [1, 2],
      experiences: ["ci_*"],
      experienceTypes: ["async_fast"],
      tokenId: minted.tokenId,
      expiresAtMs: minted.expiresAtMs,
    });
  });

  test("PF-032 live at most a year, and always end", async () => {
    for (const change of [
      { lifetimeMs: maxTokenLifetimeMs + 1 },
      { lifetimeMs: 0 },
      { lifetimeMs: Number.NaN },
      { scopes: [] },
      { subject: "" },
      { projects: [0] },
    ])
      await expect(mintToken(key, { ...request, ...change })).rejects.toMatchObject({
        code: "HTTP_TOKEN_CLAIMS_INVALID",
      });
    const authenticator = createAuthenticator({ key, ...allGood });
    const nowS = Math.floor(Date.now() / 1000);
    const sign = (claims: Record<string, unknown>) =>
      new SignJWT({ iss: "signalbox", aud: "signalbox", sub: "ci", jti: "1", iat: nowS, scope: "admin", ...claims })
        .setProtectedHeader({ alg: "EdDSA", kid: key.keyId })
        .sign(key.privateKey);
    await expect(authenticator.authenticate(await sign({ exp: nowS + 60 }))).resolves.toBeDefined();
    for (const claims of [
      {},
      { exp: nowS + 366 * 24 * 3600 },
      { exp: nowS + 60, jti: undefined },
      { exp: nowS + 60, iat: undefined },
      { exp: nowS + 60, sub: undefined },
      { exp: nowS + 60, aud: "other" },
      { exp: nowS + 60, nbf: nowS + 600 },
      { exp: nowS + 60, projects: "all" },
      { exp: nowS + 60, experiences: [1] },
    ])
      await expect(authenticator.authenticate(await sign(claims))).rejects.toMatchObject({ code: "invalid_token" });
  });

  test("PF-032 are EdDSA alone, whatever else their header says", async () => {
    const authenticator = createAuthenticator({ key, ...allGood });
    const { token } = await mintToken(key, request);
    const [, claims, signature] = token.split(".");
    for (const alg of ["ES256", "RS256", "none", "HS256", "Ed25519"]) {
      const header = Buffer.from(JSON.stringify({ alg, kid: key.keyId })).toString("base64url");
      await expect(authenticator.authenticate([header, claims, signature].join("."))).rejects.toMatchObject({
        code: "invalid_token",
      });
    }
  });

  test("PF-032 end 30 s after their time, also when they were found good before", async () => {
    const clock = createVirtualClock();
    const authenticator = createAuthenticator({ key, ...allGood, clock });
    const { token } = await mintToken(key, { ...request, lifetimeMs: 60_000 }, clock);
    await clock.advanceBy(89_000);
    await expect(authenticator.authenticate(token)).resolves.toBeDefined();
    expect(authenticator.isVerified(token)).toBe(true);
    await clock.advanceBy(1_000);
    await expect(authenticator.authenticate(token)).rejects.toMatchObject({ status: 401, code: "token_expired" });
    await expect(createAuthenticator({ key, ...allGood, clock }).authenticate(token)).rejects.toMatchObject({
      code: "token_expired",
    });
  });

  test("PF-032 of another server's key, or changed by one letter, are refused", async () => {
    const authenticator = createAuthenticator({ key, ...allGood });
    const other = await createTokenKey(join(directory, "other"));
    const foreign = await mintToken(other, request);
    await expect(authenticator.authenticate(foreign.token)).rejects.toMatchObject({ code: "invalid_token" });
    const { token } = await mintToken(key, request);
    const [header, , signature] = token.split(".");
    const claims = { ...decodeJwt(token), scope: "admin" };
    const forged = [header, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
    await expect(authenticator.authenticate(forged)).rejects.toMatchObject({ code: "invalid_token" });
  });

  test("PF-032 once revoked are refused by the next request, also when they were found good before", async () => {
    const revoked = new Set<string>();
    const authenticator = createAuthenticator({ key, isRevoked: (id) => revoked.has(id), clock: systemClock });
    const { token, tokenId } = await mintToken(key, request);
    await expect(authenticator.authenticate(token)).resolves.toBeDefined();
    revoked.add(tokenId);
    await expect(authenticator.authenticate(token)).rejects.toMatchObject({ status: 401, code: "invalid_token" });
  });
});
