import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createVirtualClock, errorMessage, type VirtualClock } from "@signalbox/kernel";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Authenticator } from "./access.js";
import { createAuthenticator } from "./authenticator.js";
import type { IssuerOptions } from "./issuers.js";
import { eventually } from "./testing/eventually.js";
import { startTestIssuer, type TestIssuer } from "./testing/issuer.js";
import { createRecordingLogger } from "./testing/recording-logger.js";
import { createTokenKey, type TokenKey } from "./tokens.js";

let issuer: TestIssuer;
let key: TokenKey;
let clock: VirtualClock;
let logger: ReturnType<typeof createRecordingLogger>;

beforeEach(async () => {
  issuer = await startTestIssuer();
  clock = createVirtualClock(Date.now());
  logger = createRecordingLogger();
  const directory = await mkdtemp(join(tmpdir(), "signalbox-key-"));
  key = await createTokenKey(directory);
  await rm(directory, { recursive: true });
});
afterEach(() => issuer.close());

function authenticatorFor(...issuers: readonly IssuerOptions[]): Authenticator {
  return createAuthenticator({ key, isRevoked: () => false, issuers, clock, logger, issuerTimeoutMs: 30_000 });
}

/** Why the last fetch of keys failed. */
function lastFetchError(): string {
  const failures = logger.lines.filter((line) => line.message.includes("cannot be fetched"));
  return errorMessage(failures.at(-1)?.fields?.error);
}

const refused = { status: 401, code: "invalid_token" };

describe("PF-033 tokens of external issuers", () => {
  test("PF-033 are accepted with keys found by discovery: ES256, RS256 and EdDSA", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    for (const algorithm of ["ES256", "RS256", "EdDSA"] as const) {
      await issuer.addKey(algorithm);
      await clock.advanceBy(31_000);
      const principal = await authenticator.authenticate(await issuer.sign({ sub: algorithm, jti: "1" }));
      expect(principal).toMatchObject({ subject: algorithm, issuer: issuer.url, tokenId: `${issuer.url} 1` });
    }
  });

  test("PF-033 `none` and HMAC are refused, also with a published key as the secret", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    const claims = { iss: issuer.url, aud: "signalbox", sub: "mallory", scope: "admin", exp: 4_000_000_000 };
    await expect(authenticator.authenticate(new UnsecuredJWT(claims).encode())).rejects.toMatchObject(refused);
    for (const alg of ["HS256", "HS512"]) {
      const forged = await new SignJWT(claims)
        .setProtectedHeader({ alg, kid: "key-1" })
        .sign(Buffer.from(await (await fetch(`${issuer.url}/keys`)).text()));
      await expect(authenticator.authenticate(forged)).rejects.toMatchObject(refused);
    }
  });

  test("PF-033 other asymmetric algorithms are refused too", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    const { privateKey, publicKey } = await generateKeyPair("ES384", { extractable: true });
    issuer.misbehave(
      (_request, response) =>
        void exportJWK(publicKey).then((jwk) => response.end(JSON.stringify({ keys: [{ ...jwk, kid: "k" }] }))),
    );
    const token = await new SignJWT({ iss: issuer.url, aud: "signalbox", sub: "x", exp: 4_000_000_000 })
      .setProtectedHeader({ alg: "ES384", kid: "k" })
      .sign(privateKey);
    await expect(authenticator.authenticate(token)).rejects.toMatchObject(refused);
  });

  test("PF-033 a key is good for the issuer that publishes it alone", async () => {
    const other = await startTestIssuer();
    try {
      const authenticator = authenticatorFor({ issuer: issuer.url }, { issuer: other.url });
      await expect(authenticator.authenticate(await other.sign())).resolves.toMatchObject({ issuer: other.url });
      // Same key id, good signature of one trusted issuer, name of the other.
      const crossed = await other.sign({ iss: issuer.url });
      await expect(authenticator.authenticate(crossed)).rejects.toMatchObject(refused);
      const asOurs = await other.sign({ iss: "signalbox", jti: "1" });
      await expect(authenticator.authenticate(asOurs)).rejects.toMatchObject(refused);
    } finally {
      await other.close();
    }
  });

  test("PF-033 an issuer that is not configured is refused without being asked", async () => {
    const authenticator = authenticatorFor();
    await expect(authenticator.authenticate(await issuer.sign())).rejects.toMatchObject(refused);
    expect(issuer.keyRequests).toBe(0);
  });

  test("PF-033 audience, expiry and start are checked, with 30 s leeway", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    const nowS = Math.floor(clock.nowMs() / 1000);
    const outcome = async (claims: Record<string, unknown>) =>
      authenticator.authenticate(await issuer.sign(claims)).then(
        () => "accepted",
        (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
      );
    expect(await outcome({ aud: "other" })).toBe("invalid_token");
    expect(await outcome({ aud: ["other", "signalbox"] })).toBe("accepted");
    expect(await outcome({ aud: undefined })).toBe("invalid_token");
    expect(await outcome({ exp: nowS - 29 })).toBe("accepted");
    expect(await outcome({ exp: nowS - 31 })).toBe("token_expired");
    expect(await outcome({ exp: undefined })).toBe("invalid_token");
    expect(await outcome({ nbf: nowS + 29 })).toBe("accepted");
    expect(await outcome({ nbf: nowS + 32 })).toBe("invalid_token");
    expect(await outcome({ sub: undefined })).toBe("invalid_token");
    const own = authenticatorFor({ issuer: issuer.url, audience: "forge" });
    await expect(own.authenticate(await issuer.sign({ aud: "signalbox" }))).rejects.toMatchObject(refused);
    await expect(own.authenticate(await issuer.sign({ aud: "forge" }))).resolves.toBeDefined();
  });

  test("XP-700 the audience of one system is accepted, for the scopes of that system alone", async () => {
    const authenticator = createAuthenticator({
      key,
      isRevoked: () => false,
      issuers: [{ issuer: issuer.url }],
      systemAudiences: { "covered-experience-tracker": "experience:" },
      clock,
      logger,
    });
    const scopesOf = async (aud: string | string[]): Promise<readonly string[]> => {
      const scope = "experience:write errors:admin admin";
      return [...(await authenticator.authenticate(await issuer.sign({ aud, scope }))).scopes];
    };
    expect(await scopesOf("covered-experience-tracker")).toEqual(["experience:write"]);
    expect(await scopesOf(["other", "covered-experience-tracker"])).toEqual(["experience:write"]);
    expect(await scopesOf(["covered-experience-tracker", "signalbox"])).toEqual([
      "experience:write",
      "errors:admin",
      "admin",
    ]);
    await expect(scopesOf("covered-experience")).rejects.toMatchObject(refused);
    const strict = authenticatorFor({ issuer: issuer.url, audience: "forge" });
    await expect(strict.authenticate(await issuer.sign({ aud: "covered-experience-tracker" }))).rejects.toMatchObject(
      refused,
    );
  });

  test("PF-033 scopes come from the claim that is configured, by mapping or as they are", async () => {
    const scopesOf = async (options: Omit<IssuerOptions, "issuer">, claims: Record<string, unknown>) => [
      ...(await authenticatorFor({ issuer: issuer.url, ...options }).authenticate(await issuer.sign(claims))).scopes,
    ];
    expect(await scopesOf({}, { scope: "openid errors:read relay:read" })).toEqual(["errors:read", "relay:read"]);
    expect(await scopesOf({ scopes: { claim: "scp" } }, { scp: ["errors:read", 7], scope: "admin" })).toEqual([
      "errors:read",
    ]);
    const mapping = { developer: ["errors:read", "events:read"], owner: ["admin"] } as const;
    const roles = { claim: "realm_access.roles", mapping };
    expect(await scopesOf({ scopes: roles }, { realm_access: { roles: ["developer", "admin", "toString"] } })).toEqual([
      "errors:read",
      "events:read",
    ]);
    expect(
      await scopesOf({ scopes: { claim: "https://forge/roles", mapping } }, { "https://forge/roles": "owner" }),
    ).toEqual(["admin"]);
    expect(await scopesOf({ scopes: { claim: "__proto__.x" } }, {})).toEqual([]);
  });

  test("PF-033 narrowing is taken over, and refuses the token when it cannot be read", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    expect(await authenticator.authenticate(await issuer.sign({ projects: [3] }))).toMatchObject({ projects: [3] });
    await expect(authenticator.authenticate(await issuer.sign({ projects: "3" }))).rejects.toMatchObject(refused);
  });
});

describe("PF-033 keys of external issuers", () => {
  test("PF-033 a new key is fetched when its id is first seen, at most once in 30 s", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    await authenticator.authenticate(await issuer.sign());
    expect(issuer.keyRequests).toBe(1);
    await issuer.addKey("EdDSA");
    await expect(authenticator.authenticate(await issuer.sign())).resolves.toBeDefined();
    expect(issuer.keyRequests).toBe(2);
    for (let index = 0; index < 20; index++)
      await expect(
        authenticator.authenticate(await issuer.sign({}, { kid: `unknown-${index}` })),
      ).rejects.toMatchObject(refused);
    expect(issuer.keyRequests).toBe(2);
    await clock.advanceBy(30_000);
    await issuer.addKey("ES256");
    await expect(authenticator.authenticate(await issuer.sign())).resolves.toBeDefined();
    expect(issuer.keyRequests).toBe(3);
  });

  test("PF-033 concurrent needs are one fetch", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    const signed = await Promise.all(Array.from({ length: 30 }, (_, index) => issuer.sign({ sub: `user-${index}` })));
    await Promise.all(signed.map((token) => authenticator.authenticate(token)));
    expect(issuer.keyRequests).toBe(1);
  });

  test("PF-033 old keys stay in use while the issuer is away, and are renewed when it is back", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    await authenticator.authenticate(await issuer.sign());
    await issuer.goAway();
    for (let hours = 0; hours < 3; hours++) {
      await clock.advanceBy(3_600_000);
      const nowS = Math.floor(clock.nowMs() / 1000);
      await expect(authenticator.authenticate(await issuer.sign({ exp: nowS + 60 }))).resolves.toBeDefined();
    }
    await issuer.comeBack();
    const fetched = issuer.keyRequests;
    await clock.advanceBy(3_600_000);
    const nowS = Math.floor(clock.nowMs() / 1000);
    await expect(authenticator.authenticate(await issuer.sign({ exp: nowS + 60 }))).resolves.toBeDefined();
    await eventually(() => issuer.keyRequests).toBe(fetched + 1);
  });

  test("PF-033 a key that its issuer has taken back stops being good, also for tokens it was good for before", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    const token = await issuer.sign({ exp: Math.floor(clock.nowMs() / 1000) + 86_400 });
    await authenticator.authenticate(token);
    issuer.unpublishKeys();
    await issuer.addKey("ES256");
    await clock.advanceBy(600_000);
    const outcome = () =>
      authenticator.authenticate(token).then(
        () => "accepted",
        () => "refused",
      );
    // The first request after ten minutes sets off the renewal and is still answered with what was known.
    expect(await outcome()).toBe("accepted");
    await eventually(() => issuer.keyRequests).toBe(2);
    await clock.advanceBy(60_000);
    await eventually(outcome).toBe("refused");
  });

  test("PF-033 an issuer that was never reached makes its tokens 503, and 5 s later is asked again", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    const token = await issuer.sign();
    await issuer.goAway();
    await expect(authenticator.authenticate(token)).rejects.toMatchObject({
      status: 503,
      code: "unavailable",
      headers: { "retry-after": "5" },
    });
    await issuer.comeBack();
    await expect(authenticator.authenticate(token)).rejects.toMatchObject({ status: 503 });
    await clock.advanceBy(5_000);
    await expect(authenticator.authenticate(token)).resolves.toBeDefined();
  });

  test("PF-033 a set without usable keys never replaces one that has some", async () => {
    const authenticator = authenticatorFor({ issuer: issuer.url });
    const token = await issuer.sign();
    await authenticator.authenticate(token);
    const useless = await exportJWK((await generateKeyPair("EdDSA", { extractable: true })).privateKey);
    for (const keys of [
      [],
      [{ kty: "oct", k: "c2VjcmV0", kid: "key-1" }],
      [{ ...useless, kid: "key-1" }],
      [{ kty: "RSA", n: "AQAB", e: "AQAB", kid: "key-1" }],
      [{ kty: "EC", crv: "P-256", x: "AA", y: "AA", use: "enc", kid: "key-1" }],
      [null, 7],
    ]) {
      issuer.misbehave((_request, response) => response.end(JSON.stringify({ keys })));
      await clock.advanceBy(31_000);
      await expect(authenticator.authenticate(await issuer.sign({}, { kid: "unknown" }))).rejects.toMatchObject(
        refused,
      );
      await expect(authenticator.authenticate(token)).resolves.toBeDefined();
    }
  });

  test("PF-033 answers that are huge, slow, redirected, broken or of another issuer leave the keys as they are", async () => {
    const issuers = [{ issuer: issuer.url }];
    const patience = { issuerTimeoutMs: 2_000 };
    const authenticator = createAuthenticator({ key, isRevoked: () => false, issuers, clock, logger, ...patience });
    const token = await issuer.sign();
    await authenticator.authenticate(token);
    const good = await (await fetch(`${issuer.url}/keys`)).text();
    const answers: [RegExp, Parameters<TestIssuer["misbehave"]>[0]][] = [
      [
        /more than 262144 bytes/,
        (_request, response) => {
          response.write(good.slice(0, -1));
          const flood = setInterval(() => response.write(" ".repeat(100_000)), 1);
          response.on("close", () => clearInterval(flood));
        },
      ],
      [
        /timeout/,
        (_request, response) => {
          response.write("{");
          const drip = setInterval(() => response.write(" "), 20);
          response.on("close", () => clearInterval(drip));
        },
      ],
      [/timeout/, () => {}],
      [/fetch failed/, (_request, response) => void response.writeHead(302, { location: `${issuer.url}/moved` }).end()],
      [/answered 500/, (_request, response) => void response.writeHead(500).end(good)],
      [/not JSON/, (_request, response) => void response.end("<html>")],
      [/JSON object/, (_request, response) => void response.end("[]")],
      [/no keys/, (_request, response) => void response.end("{}")],
      [/fetch failed/, (_request, response) => void response.destroy()],
    ];
    for (const [reason, answer] of answers) {
      issuer.misbehave(answer);
      await issuer.addKey("ES256");
      await clock.advanceBy(31_000);
      await expect(authenticator.authenticate(await issuer.sign())).rejects.toMatchObject(refused);
      expect(lastFetchError()).toMatch(reason);
      await expect(authenticator.authenticate(token)).resolves.toBeDefined();
    }
    issuer.misbehave();
    await clock.advanceBy(31_000);
    await expect(authenticator.authenticate(await issuer.sign())).resolves.toBeDefined();
  });

  test("PF-033 a discovery document of another issuer, or with keys at an odd address, is not believed", async () => {
    const impostor = await startTestIssuer();
    try {
      for (const odd of [`${impostor.url}/`, `${impostor.url.replace("127.0.0.1", "localhost")}`]) {
        const authenticator = authenticatorFor({ issuer: odd });
        await expect(authenticator.authenticate(await impostor.sign({ iss: odd }))).rejects.toMatchObject({
          status: 503,
        });
      }
    } finally {
      await impostor.close();
    }
  });

  test("PF-033 an issuer that is no https URL, or given twice, is a configuration error", () => {
    for (const bad of [
      "signalbox",
      "http://issuer.example",
      "https://user:pw@issuer.example",
      "https://a.example/?x=1",
    ])
      expect(() => authenticatorFor({ issuer: bad })).toThrow(expect.objectContaining({ code: "HTTP_ISSUER_INVALID" }));
    expect(() => authenticatorFor({ issuer: issuer.url }, { issuer: issuer.url })).toThrow("configured twice");
  });
});
