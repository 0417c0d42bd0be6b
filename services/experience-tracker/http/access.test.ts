import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthenticator, createTokenKey, mintToken } from "@signalbox/http";
import { createTestTokens, startTestIssuer, type TestIssuer } from "@signalbox/http/testing";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  answerOf,
  payload,
  startTracker,
  type TrackerOptions,
  type TrackerUnderTest,
} from "../testing/start-tracker.js";

async function start(options: TrackerOptions): Promise<TrackerUnderTest> {
  const tracker = await startTracker(options);
  onTestFinished(() => tracker.close());
  return tracker;
}

async function post(
  tracker: TrackerUnderTest,
  authorization: string | undefined,
  body: unknown = payload(),
  path = "/checkpoints",
) {
  return answerOf(
    await fetch(`${tracker.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) },
      body: JSON.stringify(body),
    }),
  );
}

async function metricOf(tracker: TrackerUnderTest, line: string): Promise<number> {
  const text = await (await fetch(`${tracker.metricsUrl}/metrics`)).text();
  const found = text.split("\n").find((candidate) => candidate.startsWith(`${line} `));
  return Number(found?.split(" ").at(-1) ?? Number.NaN);
}

describe("tokens of the server itself", () => {
  let tracker: TrackerUnderTest;
  beforeAll(async () => {
    tracker = await startTracker();
  });
  afterAll(() => tracker.close());

  test("XP-700 XP-701 XP-476 no token, a bad one, one without the scope: refused and counted, and nothing is taken", async () => {
    const reading = (await tracker.headers("experience:read"))["authorization"] ?? "";
    const foreign = (await (await createTestTokens()).bearer(["experience:write"])).authorization;
    const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    const claims = Buffer.from(JSON.stringify({ sub: "x", exp: 9e9, scope: "experience:write" })).toString("base64url");
    const cases: [string | undefined, number, string][] = [
      [undefined, 401, "missing_token"],
      ["Basic abc", 401, "missing_token"],
      ["Bearer nonsense", 401, "invalid_token"],
      [`Bearer ${none}.${claims}.`, 401, "invalid_token"],
      [foreign, 401, "invalid_token"],
      [reading, 403, "insufficient_scope"],
    ];
    for (const [authorization, status, code] of cases) {
      const answer = await post(tracker, authorization);
      expect(answer).toMatchObject({ status, body: { code } });
      if (status === 401) expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
    expect(await metricOf(tracker, 'signalbox_experience_auth_failures_total{reason="invalid_token"}')).toBe(3);
    expect(await metricOf(tracker, 'signalbox_experience_auth_failures_total{reason="insufficient_scope"}')).toBe(1);
    expect((await tracker.tracker.store.counters()).size).toBe(0);
  });

  test("XP-701 the token is looked at before the body is", async () => {
    const answer = await fetch(`${tracker.url}/checkpoints`, {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: "{",
    });
    expect(answer.status).toBe(401);
  });

  test("XP-700 the word Bearer in any case", async () => {
    const { authorization = "" } = await tracker.headers("experience:write");
    expect((await post(tracker, authorization.replace("Bearer", "bEaReR"))).status).toBe(201);
  });

  test("XP-702 admin reads and reads meta, and does not write", async () => {
    const { authorization = "" } = await tracker.headers("experience:admin");
    expect((await post(tracker, authorization)).status).toBe(403);
    expect((await tracker.get("/runs", "experience:admin")).status).toBe(200);
    expect((await tracker.get("/runs", "experience:write")).status).toBe(403);
    expect((await tracker.get("/definitions", "experience:write")).status).toBe(200);
  });

  test("XP-703 a token that is narrowed to experiences and types sends nothing else", async () => {
    const directory = mkdtempSync(join(tmpdir(), "key-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const key = await createTokenKey(directory);
    const narrow = await start({ authenticator: createAuthenticator({ key, isRevoked: () => false }) });
    const minted = await mintToken(key, {
      subject: "ci",
      scopes: ["experience:write"],
      lifetimeMs: 60_000,
      experiences: ["create_*"],
      experienceTypes: ["web"],
    });
    await narrow.define("other", { description: "x", feature_category: "y", urgency: "sync_fast" });
    await narrow.tracker.definitions.reload();
    const authorization = `Bearer ${minted.token}`;
    expect((await post(narrow, authorization)).status).toBe(201);
    expect(await post(narrow, authorization, payload({ type: "api" }))).toMatchObject({
      status: 403,
      body: { code: "type_not_allowed" },
    });
    expect(await post(narrow, authorization, payload({ covered_experience_id: "other" }))).toMatchObject({
      status: 403,
      body: { code: "experience_not_allowed" },
    });
  });
});

describe("tokens of an issuer", () => {
  let issuer: TestIssuer;
  let tracker: TrackerUnderTest;
  let directory: string;
  beforeAll(async () => {
    issuer = await startTestIssuer();
    directory = mkdtempSync(join(tmpdir(), "key-"));
    const key = await createTokenKey(directory);
    tracker = await startTracker({
      authenticator: createAuthenticator({ key, isRevoked: () => false, issuers: [{ issuer: issuer.url }] }),
    });
  });
  afterAll(async () => {
    await tracker.close();
    await issuer.close();
    rmSync(directory, { recursive: true });
  });
  const sign = async (claims: Record<string, unknown> = {}) =>
    `Bearer ${await issuer.sign({ scope: "experience:write", ...claims })}`;

  test("XP-700 found through discovery, and after a rotation without a restart", async () => {
    expect((await post(tracker, await sign())).status).toBe(201);
    await issuer.addKey("RS256");
    expect((await post(tracker, await sign())).status).toBe(201);
  });

  test("XP-700 another audience, an expired and a future one, and an unknown issuer are refused", async () => {
    const nowS = Math.floor(Date.now() / 1000);
    expect(await post(tracker, await sign({ aud: "somebody-else" }))).toMatchObject({
      status: 401,
      body: { code: "invalid_token" },
    });
    expect((await post(tracker, await sign({ aud: ["x", "signalbox"] }))).status).toBe(201);
    expect(await post(tracker, await sign({ exp: nowS - 31 }))).toMatchObject({
      status: 401,
      body: { code: "token_expired" },
    });
    expect((await post(tracker, await sign({ exp: nowS - 20 }))).status).toBe(201);
    expect((await post(tracker, await sign({ nbf: nowS + 40 }))).status).toBe(401);
    expect((await post(tracker, await sign({ iss: "https://unknown.example" }))).status).toBe(401);
  });

  test("XP-700 while the issuer is away its keys stay in use", async () => {
    expect((await post(tracker, await sign())).status).toBe(201);
    await issuer.goAway();
    expect((await post(tracker, await sign({ jti: "another" }))).status).toBe(201);
    await issuer.comeBack();
  });
});

describe("producers", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "producers-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const withProducers = async (
    content: string,
    environment: Record<string, string> = {},
  ): Promise<TrackerUnderTest> => {
    const file = join(directory, "producers.yml");
    writeFileSync(file, content);
    return start({ environment: { SIGNALBOX_EXPERIENCE_PRODUCERS: file, ...environment } });
  };

  test("XP-703 who is not in the list is refused; who is, within its types and experiences", async () => {
    const others = await withProducers("- {name: other, sub: other}\n");
    const { authorization } = await others.headers("experience:write");
    expect(await post(others, authorization)).toMatchObject({ status: 403, body: { code: "producer_not_allowed" } });
    const tracker = await withProducers(
      "- {name: rails, iss: signalbox, sub: te*, types: [web], experiences: ['create_*']}\n",
    );
    const { authorization: bearer } = await tracker.headers("experience:write");
    expect((await post(tracker, bearer)).status).toBe(201);
    const batch = await post(
      tracker,
      bearer,
      [payload(), payload({ type: "sidekiq" }), payload({ covered_experience_id: "other" })],
      "/checkpoints/batch",
    );
    expect(batch.body.results.map((result: { status: number }) => result.status)).toEqual([201, 403, 403]);
    expect(batch.body.results.slice(1).map((result: { error: { code: string } }) => result.error.code)).toEqual([
      "type_not_allowed",
      "experience_not_allowed",
    ]);
    expect(await metricOf(tracker, 'signalbox_experience_auth_failures_total{reason="type_not_allowed"}')).toBe(1);
    expect(await metricOf(tracker, 'signalbox_experience_events_total{result="rejected"}')).toBe(2);
  });

  test("XP-703 a list that cannot be read lets nobody in", async () => {
    for (const content of ["- {name: x, sub: '*', typo: 1}\n", "not: a list", "[: broken"]) {
      const tracker = await withProducers(content);
      const { authorization } = await tracker.headers("experience:write");
      expect((await post(tracker, authorization)).status).toBe(403);
    }
  });

  test("XP-704 above the rate 429 with Retry-After; a batch is taken whole or not at all", async () => {
    const tracker = await withProducers("- {name: slow, sub: '*', rate_per_s: 0.01, burst: 5}\n");
    const { authorization } = await tracker.headers("experience:write");
    const batch = (items: number) =>
      post(
        tracker,
        authorization,
        Array.from({ length: items }, () => payload()),
        "/checkpoints/batch",
      );
    expect((await batch(3)).status).toBe(200);
    const refused = await batch(3);
    expect(refused).toMatchObject({ status: 429, body: { code: "rate_limited" } });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect((await batch(2)).status).toBe(200);
    expect((await post(tracker, authorization)).status).toBe(429);
  });

  test("XP-704 the configured rate holds for those without one of their own", async () => {
    const tracker = await start({ environment: { SIGNALBOX_EXPERIENCE_RATE: "1", SIGNALBOX_EXPERIENCE_BURST: "2" } });
    const answers = await Promise.all(Array.from({ length: 6 }, () => tracker.send({})));
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(2);
  });
});

test("XP-565 with a tenant claim, tenants do not see each other's runs", async () => {
  const issuer = await startTestIssuer();
  onTestFinished(() => issuer.close());
  const directory = mkdtempSync(join(tmpdir(), "key-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const key = await createTokenKey(directory);
  const tracker = await start({
    authenticator: createAuthenticator({ key, isRevoked: () => false, issuers: [{ issuer: issuer.url }] }),
    environment: { SIGNALBOX_EXPERIENCE_TENANT_CLAIM: "org" },
  });
  const scope = "experience:write experience:read";
  const sign = async (org?: string) => `Bearer ${await issuer.sign({ scope, ...(org ? { org } : {}) })}`;
  const sent = payload();
  expect((await post(tracker, await sign("acme"), sent)).status).toBe(201);
  const read = async (org: string, path: string) =>
    answerOf(await fetch(`${tracker.url}${path}`, { headers: { authorization: await sign(org) } }));
  const path = `/runs/create_merge_request/${sent["correlation_id"]}`;
  expect((await read("acme", path)).body).toMatchObject({ tenant: "acme", state: "open" });
  // The history is away in this test, so what the store does not have cannot be answered.
  expect((await read("globex", path)).status).toBe(503);
  expect((await read("acme", "/runs")).body.runs).toHaveLength(1);
  expect((await read("globex", "/runs")).body.runs).toEqual([]);
  expect((await post(tracker, await sign())).status).toBe(403);
});

test("XP-175 pages of configured origins may send checkpoints, others are not told so", async () => {
  const tracker = await start({ environment: { SIGNALBOX_EXPERIENCE_CORS_ORIGINS: "https://forge.example" } });
  const ask = (origin: string) =>
    fetch(`${tracker.url}/checkpoints`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    });
  const allowed = await ask("https://forge.example");
  expect(allowed.status).toBe(204);
  expect(allowed.headers.get("access-control-allow-origin")).toBe("https://forge.example");
  expect(allowed.headers.get("access-control-allow-headers")).toContain("idempotency-key");
  expect((await ask("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
  const sent = await tracker.send({}, { origin: "https://forge.example" });
  expect(sent.headers.get("access-control-allow-origin")).toBe("https://forge.example");
});

test("XP-175 a page of a configured origin can read why it is refused, and when to come again", async () => {
  const tracker = await start({ environment: { SIGNALBOX_EXPERIENCE_CORS_ORIGINS: "https://forge.example" } });
  const send = (path: string, authorization: string, body: string) =>
    fetch(`${tracker.url}${path}`, {
      method: "POST",
      headers: { origin: "https://forge.example", "content-type": "application/json", authorization },
      body,
    });
  const { authorization = "" } = await tracker.headers("experience:write");
  for (const path of ["/checkpoints", "/checkpoints/batch"]) {
    const refused = [await send(path, "Bearer no-token", "{}"), await send(path, authorization, "{")];
    expect(refused.map(({ status }) => status)).toEqual([401, 400]);
    for (const { headers } of refused) {
      expect(headers.get("access-control-allow-origin")).toBe("https://forge.example");
      expect(headers.get("access-control-expose-headers")).toBe("retry-after, x-correlation-id");
      expect(headers.get("vary")).toBe("origin");
    }
  }
  // Only what pages send: they read nothing else here.
  const read = await fetch(`${tracker.url}/runs`, {
    headers: { origin: "https://forge.example", ...(await tracker.headers("experience:read")) },
  });
  expect([read.status, read.headers.get("access-control-allow-origin")]).toEqual([200, null]);
});

test("XP-479 what an SDK says it dropped is counted under known reasons", async () => {
  const tracker = await start({});
  await tracker.send({}, { "x-experience-dropped": "queue_full=3, closed=1,made_up=2,broken" });
  expect(await metricOf(tracker, 'signalbox_experience_reported_drops_total{reason="queue_full"}')).toBe(3);
  expect(await metricOf(tracker, 'signalbox_experience_reported_drops_total{reason="other"}')).toBe(2);
});
