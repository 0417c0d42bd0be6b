import { createVirtualClock } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { addressGroup } from "./client-address.js";
import { createPrometheusMetrics } from "./prometheus.js";
import { createRateLimiter } from "./rate-limit.js";
import { bodyOf, serve } from "./testing/serve.js";
import { createTestTokens } from "./testing/tokens.js";

describe("PF-036 token buckets", () => {
  test("PF-036 let a burst through, then as many as are refilled", async () => {
    const clock = createVirtualClock();
    const limiter = createRateLimiter({ perSecond: 2, burst: 3 }, clock);
    expect([1, 2, 3].map(() => limiter.take("a"))).toEqual([0, 0, 0]);
    expect(limiter.take("a")).toBe(500);
    expect(limiter.waitMs("a")).toBe(500);
    expect(limiter.take("b")).toBe(0);
    await clock.advanceBy(500);
    expect([limiter.take("a"), limiter.take("a")]).toEqual([0, 500]);
    await clock.advanceBy(3_600_000);
    expect([1, 2, 3, 4].map(() => limiter.take("a"))).toEqual([0, 0, 0, 500]);
  });

  test("PF-036 hold no more keys than they may, and forget full ones first", async () => {
    const clock = createVirtualClock();
    const limiter = createRateLimiter({ perSecond: 1, burst: 1 }, clock, 100);
    for (const kind of ["busy", "idle"]) for (let index = 0; index < 50; index++) limiter.take(`${kind}-${index}`);
    await clock.advanceBy(1000);
    for (let index = 0; index < 50; index++) limiter.take(`busy-${index}`);
    limiter.take("one more");
    expect(limiter.waitMs("busy-0")).toBe(1000);
    for (let index = 0; index < 10_000; index++) limiter.take(`flood-${index}`);
    expect(limiter.size).toBeLessThanOrEqual(100);
  });

  test("PF-036 count an IPv6 subscriber as one, an IPv4 address as itself", () => {
    expect(addressGroup("2001:db8:1:2:3:4:5:6")).toBe(addressGroup("2001:db8:1:2::1"));
    expect(addressGroup("2001:db8:1:2::1")).not.toBe(addressGroup("2001:db8:1:3::1"));
    expect(addressGroup("2001:db8::1")).toBe("2001:db8:0:0::/64");
    expect(addressGroup("::1")).toBe("0:0:0:0::/64");
    expect(addressGroup("203.0.113.7")).toBe("203.0.113.7");
  });
});

describe("PF-036 limits of a server", () => {
  // So slow that a busy machine does not refill it within the test.
  const slow = { perSecond: 0.01, burst: 2 };

  test("PF-036 per address: 429 with Retry-After, for unknown addresses too, and other clients go on", async () => {
    const metrics = createPrometheusMetrics();
    const { url } = await serve({ metrics, rateLimits: { perAddress: slow }, trustedProxies: ["127.0.0.1"] }, (app) => {
      app.get("/public", { config: { access: "public" } }, async () => ({}));
    });
    const from = (address: string, path = "/public") => fetch(url + path, { headers: { "x-forwarded-for": address } });
    expect([(await from("198.51.100.1")).status, (await from("198.51.100.1", "/nowhere")).status]).toEqual([200, 404]);
    const limited = await from("198.51.100.1");
    const retryAfter = Number(limited.headers.get("retry-after"));
    expect(Number.isInteger(retryAfter) && retryAfter > 0 && retryAfter <= 100).toBe(true);
    expect(await bodyOf(limited)).toMatchObject({ status: 429, code: "rate_limited" });
    expect((await from("198.51.100.2")).status).toBe(200);
    expect((await metrics.exposition()).body).toContain('signalbox_http_rate_limited_total{by="address"} 1');
  });

  test("PF-036 per token, wherever it is used from", async () => {
    const tokens = await createTestTokens();
    const { url } = await serve(
      { authenticator: tokens.authenticator, rateLimits: { perToken: slow }, trustedProxies: ["127.0.0.1"] },
      (app) => void app.get("/issues", { config: { access: { scope: "errors:read" } } }, async () => ({})),
    );
    const headers = await tokens.bearer(["errors:read"]);
    const statuses: number[] = [];
    for (const address of ["198.51.100.1", "198.51.100.2", "198.51.100.3"])
      statuses.push((await fetch(`${url}/issues`, { headers: { ...headers, "x-forwarded-for": address } })).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect((await fetch(`${url}/issues`, { headers: await tokens.bearer(["errors:read"]) })).status).toBe(200);
  });

  test("PF-036 failed logins much harder: further tokens are not even looked at, but those known to be good are", async () => {
    const tokens = await createTestTokens();
    const { url } = await serve(
      { authenticator: tokens.authenticator, rateLimits: { failedLogins: slow } },
      (app) => void app.get("/issues", { config: { access: { scope: "errors:read" } } }, async () => ({})),
    );
    const status = async (headers: Record<string, string>) => (await fetch(`${url}/issues`, { headers })).status;
    const known = await tokens.bearer(["errors:read"]);
    expect(await status(known)).toBe(200);
    const bad = { authorization: "Bearer wrong" };
    expect([await status(bad), await status(bad), await status(bad)]).toEqual([401, 401, 429]);
    expect(await status(await tokens.bearer(["errors:read"]))).toBe(429);
    expect(await status(known)).toBe(200);
  });

  test("PF-036 do not count protocol routes and routes with limits of their own", async () => {
    const { url } = await serve({ rateLimits: { perAddress: slow } }, (app) => {
      app.get("/protocol", { config: { access: "protocol" } }, async () => ({}));
      app.get("/own", { config: { access: "public", rateLimit: "own" } }, async () => ({}));
    });
    for (let index = 0; index < 5; index++)
      for (const path of ["/protocol", "/own"]) expect((await fetch(url + path)).status).toBe(200);
  });
});
