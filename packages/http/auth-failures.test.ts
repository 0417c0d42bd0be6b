import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createVirtualClock } from "@signalbox/kernel";
import { SignJWT } from "jose";
import { expect, test } from "vitest";
import { createAuthenticator } from "./authenticator.js";
import { createPrometheusMetrics } from "./prometheus.js";
import { createRecordingLogger } from "./testing/recording-logger.js";
import { bodyOf, serve } from "./testing/serve.js";
import { createTokenKey, mintToken } from "./tokens.js";

test("PF-034 answers tell missing, malformed, expired and refused apart, the log and the metric tell the check", async () => {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-key-"));
  const key = await createTokenKey(directory);
  const otherKey = await createTokenKey(join(directory, "other"));
  await rm(directory, { recursive: true });
  const clock = createVirtualClock(Date.now());
  const logger = createRecordingLogger();
  const metrics = createPrometheusMetrics();
  const revoked = new Set<string>();
  const authenticator = createAuthenticator({ key, isRevoked: (id) => revoked.has(id), clock, logger, metrics });
  const { url } = await serve({ authenticator, metrics, rateLimits: false }, (app) => {
    app.get("/issues", { config: { access: { scope: "errors:read" } } }, async () => ({}));
  });
  const request = { subject: "ci", scopes: ["errors:read"], lifetimeMs: 3_600_000 } as const;
  const good = await mintToken(key, request, clock);
  const nowS = Math.floor(clock.nowMs() / 1000);
  const sign = (
    claims: Record<string, unknown>,
    header: { alg: string; kid?: string } = { alg: "EdDSA", kid: key.keyId },
  ) =>
    new SignJWT({ iss: "signalbox", aud: "signalbox", sub: "ci", jti: "1", iat: nowS, exp: nowS + 60, ...claims })
      .setProtectedHeader(header)
      .sign(header.alg === "HS256" ? Buffer.alloc(32) : key.privateKey);
  const forged = `${good.token.slice(0, -8)}AAAAAAAA`;
  const toRevoke = await mintToken(key, request, clock);
  revoked.add(toRevoke.tokenId);
  const narrow = await mintToken(key, { ...request, scopes: ["relay:read"] }, clock);

  const cases: [reason: string, token: string | undefined, code: string][] = [
    ["missing", undefined, "missing_token"],
    ["malformed", "garbage", "invalid_token"],
    ["expired", await sign({ exp: nowS - 31 }), "token_expired"],
    ["not_yet_valid", await sign({ nbf: nowS + 60 }), "invalid_token"],
    ["bad_signature", forged, "invalid_token"],
    ["algorithm_refused", await sign({}, { alg: "HS256" }), "invalid_token"],
    ["unknown_issuer", await sign({ iss: "https://elsewhere.example" }), "invalid_token"],
    ["unknown_key", (await mintToken(otherKey, request, clock)).token, "invalid_token"],
    ["wrong_audience", await sign({ aud: "other" }), "invalid_token"],
    ["claims_invalid", await sign({ jti: undefined }), "invalid_token"],
    ["revoked", toRevoke.token, "invalid_token"],
    ["insufficient_scope", narrow.token, "insufficient_scope"],
  ];
  const details = new Map<string, Set<unknown>>();
  for (const [reason, token, code] of cases) {
    const lines = logger.lines.length;
    const response = await fetch(
      `${url}/issues`,
      token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
    );
    const answer = await bodyOf(response);
    expect([reason, answer["code"]]).toEqual([reason, code]);
    const group = reason === "malformed" ? reason : code;
    details.set(group, (details.get(group) ?? new Set()).add(answer["detail"]));
    const { body } = await metrics.exposition();
    expect(body).toContain(`signalbox_auth_failures_total{reason="${reason}"} 1`);
    if (reason !== "missing" && reason !== "insufficient_scope")
      expect(logger.lines.slice(lines)).toMatchObject([{ level: "info", fields: { reason } }]);
    expect(JSON.stringify(logger.lines)).not.toContain(token ?? "nothing");
  }
  // One text for each kind of failure: nothing about the check that was not passed.
  for (const [, texts] of details) expect(texts.size).toBe(1);
  expect([...details.keys()].sort()).toEqual([
    "insufficient_scope",
    "invalid_token",
    "malformed",
    "missing_token",
    "token_expired",
  ]);
  expect((await fetch(`${url}/issues`, { headers: { authorization: `Bearer ${good.token}` } })).status).toBe(200);
});
