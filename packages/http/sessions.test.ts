import type { FastifyInstance } from "fastify";
import { describe, expect, test } from "vitest";
import { createSessions } from "./sessions.js";
import { bodyOf, serve } from "./testing/serve.js";
import { createTestTokens } from "./testing/tokens.js";

const tokens = await createTestTokens();

async function listen(isSecure = false) {
  const sessions = createSessions({ isSecure: () => isSecure });
  const register = async (app: FastifyInstance): Promise<void> => {
    await app.register(sessions.routes);
    app.get("/issues", { config: { access: { scope: "errors:read" } } }, async () => ({}));
    app.post("/issues", { config: { access: { scope: "errors:read" } } }, async () => ({}));
  };
  return serve({ authenticator: tokens.authenticator, readToken: (request) => sessions.readToken(request) }, register);
}

async function logIn(url: string, headers?: Record<string, string>) {
  const response = await fetch(`${url}/api/v1/session`, {
    method: "POST",
    headers: headers ?? (await tokens.bearer(["errors:read"], { projects: [3] })),
  });
  const cookie = response.headers.get("set-cookie") ?? "";
  return { response, attributes: cookie, cookie: cookie.split(";")[0] ?? "" };
}

describe("sessions", () => {
  test("a pasted token becomes a cookie that scripts cannot read and other sites cannot use", async () => {
    const { url } = await listen();
    const { response, attributes, cookie } = await logIn(url);
    expect(response.status).toBe(201);
    expect(attributes).toMatch(/; Path=\/; HttpOnly; SameSite=Lax; Max-Age=3(?:600|59\d)$/);
    const body = await bodyOf(response);
    expect(body).toMatchObject({ subject: "test", scopes: ["errors:read"], projects: [3] });

    expect((await fetch(`${url}/issues`, { headers: { cookie } })).status).toBe(200);
    const session = await bodyOf(await fetch(`${url}/api/v1/session`, { headers: { cookie: `a=b; ${cookie}; c=d` } }));
    expect(session).toEqual(body);
  });

  test("behind HTTPS the cookie is sent over nothing else", async () => {
    const { url } = await listen(true);
    expect((await logIn(url)).attributes).toMatch(/; Secure$/);
  });

  test("what changes something needs the session's own CSRF token; a bearer token needs none", async () => {
    const { url } = await listen();
    const { response, cookie } = await logIn(url);
    const { csrf_token: csrf } = await bodyOf(response);
    const post = (headers: Record<string, string>) => fetch(`${url}/issues`, { method: "POST", headers });
    for (const wrong of [undefined, "", `${String(csrf).slice(0, -1)}_`]) {
      const refused = await post(wrong === undefined ? { cookie } : { cookie, "x-csrf-token": wrong });
      expect(await bodyOf(refused)).toMatchObject({ status: 403, code: "csrf_token_invalid" });
    }
    const other = await bodyOf((await logIn(url, await tokens.bearer(["admin"]))).response);
    expect((await post({ cookie, "x-csrf-token": String(other["csrf_token"]) })).status).toBe(403);
    expect((await post({ cookie, "x-csrf-token": String(csrf) })).status).toBe(200);
    expect((await post(await tokens.bearer(["errors:read"]))).status).toBe(200);
  });

  test("a session begins with a good token alone, and a cookie does not begin another one", async () => {
    const { url } = await listen();
    const { cookie } = await logIn(url);
    const tries: Record<string, string>[] = [{}, { authorization: "Bearer nonsense" }, { cookie }];
    for (const headers of tries) {
      const { response, attributes } = await logIn(url, headers);
      expect(response.status).toBe(401);
      expect(attributes).toBe("");
    }
  });

  test("ending a session takes its CSRF token and makes the browser forget the cookie", async () => {
    const { url } = await listen();
    const { response, cookie } = await logIn(url);
    const { csrf_token: csrf } = await bodyOf(response);
    const end = (headers: Record<string, string>) => fetch(`${url}/api/v1/session`, { method: "DELETE", headers });
    expect((await end({ cookie })).status).toBe(403);
    const ended = await end({ cookie, "x-csrf-token": String(csrf) });
    expect(ended.status).toBe(204);
    expect(ended.headers.get("set-cookie")).toMatch(/^signalbox_session=; .*Max-Age=0$/);
    expect((await fetch(`${url}/issues`, { headers: { cookie: "signalbox_session=" } })).status).toBe(401);
  });

  test("a cookie with a token that is not good any more is refused like the token", async () => {
    const own = await createTestTokens();
    const sessions = createSessions({ isSecure: () => false });
    const { url } = await serve(
      { authenticator: own.authenticator, readToken: (request) => sessions.readToken(request) },
      async (app) => void (await app.register(sessions.routes)),
    );
    const { cookie } = await logIn(url, await own.bearer(["errors:read"]));
    own.revokeAll();
    expect((await fetch(`${url}/api/v1/session`, { headers: { cookie } })).status).toBe(401);
  });
});
