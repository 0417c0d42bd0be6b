import type { FastifyInstance, FastifyRequest } from "fastify";
import { describe, expect, test } from "vitest";
import { principalOf, requireScope } from "./access.js";
import { allowedScopes, hasScope, requireExperience, requireProject, type Scope, scopes } from "./scopes.js";
import { bodyOf, serve } from "./testing/serve.js";
import { createTestTokens } from "./testing/tokens.js";

const tokens = await createTestTokens();

function routes(app: FastifyInstance): void {
  app.get("/issues", { config: { access: { scope: "errors:read" } } }, async (request) => ({
    subject: principalOf(request).subject,
  }));
  app.get("/feed", { config: { access: { scope: ["events:read", "relay:read"] } } }, async () => ({}));
  app.get("/public", { config: { access: "public" } }, async () => ({}));
  const visitor = {
    subject: "visitor",
    issuer: "x",
    scopes: new Set<Scope>(["errors:read"]),
    tokenId: "v",
    expiresAtMs: 1e15,
  };
  const readPrincipal = ({ headers }: FastifyRequest) => (headers["x-visitor"] === "yes" ? visitor : undefined);
  app.get("/visitors", { config: { access: { scope: "errors:read" }, readPrincipal } }, async (request) => ({
    subject: principalOf(request).subject,
  }));
  app.get("/no-visitors", { config: { access: { scope: "events:read" }, readPrincipal } }, async () => ({}));
  app.get("/protocol", { config: { access: "protocol" } }, async () => ({}));
  app.get("/projects/:id", { config: { access: { scope: "errors:read" } } }, async (request) => {
    requireProject(principalOf(request), Number(new URL(request.url, "http://a").pathname.split("/").at(-1)));
    return {};
  });
  app.get("/experiences/:id/:type", { config: { access: { scope: "experience:write" } } }, async (request) => {
    const [, , id = "", type = ""] = request.url.split("/");
    requireExperience(principalOf(request), id, type);
    return {};
  });
}

const listen = () => serve({ authenticator: tokens.authenticator }, routes);

describe("PF-030 who may call a route", () => {
  test("PF-030 without a token: 401 with the scheme to use; public and protocol routes need none", async () => {
    const { url } = await listen();
    for (const authorization of [undefined, "Basic dXNlcjpwYXNz", ""]) {
      const response = await fetch(`${url}/issues`, authorization === undefined ? {} : { headers: { authorization } });
      expect(response.headers.get("www-authenticate")).toBe('Bearer realm="signalbox"');
      expect(await bodyOf(response)).toMatchObject({ status: 401, code: "missing_token" });
    }
    expect((await fetch(`${url}/public`)).status).toBe(200);
    expect((await fetch(`${url}/protocol`)).status).toBe(200);
  });

  test("PF-030 a route may know another credential; where that is missing, the token is looked at", async () => {
    const { url } = await listen();
    const ask = (path: string, headers: Record<string, string>) => fetch(url + path, { headers });
    expect(await (await ask("/visitors", { "x-visitor": "yes" })).json()).toEqual({ subject: "visitor" });
    expect((await ask("/visitors", {})).status).toBe(401);
    expect((await ask("/no-visitors", { "x-visitor": "yes" })).status).toBe(403);
    expect((await ask("/issues", { "x-visitor": "yes" })).status).toBe(401);
  });

  test("PF-030 with a token that cannot be read: 401 that says so", async () => {
    const { url } = await listen();
    for (const authorization of [
      "Bearer",
      "Bearer ",
      "Bearer nonsense",
      "Bearer a.b.c",
      `Bearer ${"x".repeat(9000)}`,
    ]) {
      const response = await fetch(`${url}/issues`, { headers: { authorization } });
      expect(response.headers.get("www-authenticate")).toBe('Bearer realm="signalbox", error="invalid_token"');
      expect(await bodyOf(response)).toMatchObject({
        code: "invalid_token",
        detail: "The bearer token cannot be read.",
      });
    }
  });

  test("PF-030 without the scope: 403 that names it; with it: the handler, whatever the case of the scheme", async () => {
    const { url } = await listen();
    const refused = await fetch(`${url}/issues`, { headers: await tokens.bearer(["relay:read"]) });
    expect(refused.headers.get("www-authenticate")).toContain('scope="errors:read"');
    expect(await bodyOf(refused)).toMatchObject({
      status: 403,
      code: "insufficient_scope",
      detail: "The token lacks the scope errors:read.",
    });
    const authorization = `bEARER ${await tokens.token(["errors:read"])}`;
    expect(await bodyOf(await fetch(`${url}/issues`, { headers: { authorization } }))).toEqual({ subject: "test" });
    expect((await fetch(`${url}/feed`, { headers: await tokens.bearer(["relay:read"]) })).status).toBe(200);
    expect((await fetch(`${url}/feed`, { headers: await tokens.bearer(["errors:read"]) })).status).toBe(403);
  });

  test("PF-030 a refusal comes before the body is read", async () => {
    const { url } = await serve({ authenticator: tokens.authenticator }, (app) => {
      app.post("/issues", { config: { access: { scope: "errors:write" } } }, async () => ({}));
    });
    const response = await fetch(`${url}/issues`, {
      method: "POST",
      body: "not json",
      headers: { "content-type": "application/json" },
    });
    expect(await bodyOf(response)).toMatchObject({ code: "missing_token" });
  });

  test("PF-030 a server or a route can find its tokens elsewhere", async () => {
    const fromCookie = (request: FastifyRequest) => /session=(\S+)/.exec(request.headers.cookie ?? "")?.[1];
    const { url } = await serve({ authenticator: tokens.authenticator, readToken: fromCookie }, (app) => {
      routes(app);
      const readToken = (request: { headers: Record<string, unknown> }) => {
        const token = request.headers["private-token"];
        return typeof token === "string" ? token : undefined;
      };
      app.get("/private", { config: { access: { scope: "errors:read" }, readToken } }, async () => ({}));
    });
    const token = await tokens.token(["errors:read"]);
    const status = async (path: string, headers: Record<string, string>) =>
      (await fetch(url + path, { headers })).status;
    expect(await status("/private", { "private-token": token })).toBe(200);
    expect(await status("/private", { cookie: `session=${token}` })).toBe(401);
    expect(await status("/issues", { cookie: `session=${token}` })).toBe(200);
    expect(await status("/issues", { authorization: `Bearer ${token}` })).toBe(401);
  });
});

describe("PF-031 scopes", () => {
  const principalWith = (held: readonly Scope[]) => ({
    subject: "x",
    issuer: "signalbox",
    scopes: new Set(held),
    tokenId: "1",
    expiresAtMs: 0,
  });

  test("PF-031 admin is all of them, each other is itself; experience:admin also reads", () => {
    for (const scope of scopes) expect(hasScope(principalWith(["admin"]), scope)).toBe(true);
    const granted = (held: Scope) => scopes.filter((scope) => hasScope(principalWith([held]), scope));
    for (const held of scopes) {
      if (held === "admin") continue;
      if (held === "experience:admin")
        expect(granted(held)).toEqual(["experience:read", "experience:read_meta", "experience:admin"]);
      else expect(granted(held)).toEqual([held]);
    }
  });

  test("PF-031 a token narrowed to projects reaches no others; one that is not narrowed reaches all", async () => {
    const { url } = await listen();
    const narrowed = await tokens.bearer(["errors:read"], { projects: [1, 2] });
    expect((await fetch(`${url}/projects/2`, { headers: narrowed })).status).toBe(200);
    expect(await bodyOf(await fetch(`${url}/projects/3`, { headers: narrowed }))).toMatchObject({
      status: 403,
      code: "insufficient_scope",
    });
    expect((await fetch(`${url}/projects/3`, { headers: await tokens.bearer(["errors:read"]) })).status).toBe(200);
    const none = await tokens.bearer(["admin"], { projects: [] });
    expect((await fetch(`${url}/projects/1`, { headers: none })).status).toBe(403);
  });

  test("PF-031 narrowed to projects, admin is what belongs to projects and nothing of the whole server", async () => {
    const narrowed = { ...principalWith(["admin", "relay:read"]), projects: [2] };
    const allowed = ["errors:read", "errors:write", "errors:admin", "relay:read", "timeline:read"];
    expect(scopes.filter((scope) => hasScope(narrowed, scope))).toEqual(allowed);
    expect(allowedScopes(narrowed)).toEqual(allowed);
    expect(allowedScopes(principalWith(["admin"]))).toEqual(["admin"]);
    expect(() => requireScope(narrowed, ["admin"])).toThrow(
      expect.objectContaining({ status: 403, detail: expect.stringMatching(/lacks the scope admin\. Narrowed/) }),
    );
  });

  test("PF-031 a producer's token is narrowed to experience ids, also by prefix, and to types", async () => {
    const { url } = await listen();
    const headers = await tokens.bearer(["experience:write"], {
      experiences: ["merge_request", "ci_*"],
      experienceTypes: ["async_fast"],
    });
    const status = async (path: string) => (await fetch(`${url}/experiences/${path}`, { headers })).status;
    expect(await status("merge_request/async_fast")).toBe(200);
    expect(await status("ci_pipeline/async_fast")).toBe(200);
    expect(await status("merge_request/async_slow")).toBe(403);
    expect(await status("merge_requests/async_fast")).toBe(403);
  });
});
