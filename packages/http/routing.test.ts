import { describe, expect, test } from "vitest";
import { HttpSetupError } from "./errors.js";
import { createHttpServer } from "./server.js";
import { openRaw } from "./testing/raw-connection.js";
import { bodyOf, postJson, serve } from "./testing/serve.js";

const open = { config: { access: "public" } } as const;

describe("PF-043 what routes do not take", () => {
  test("PF-043 an unknown address is 404, whatever the method and body", async () => {
    const { url } = await serve({}, (app) => void app.get("/widgets", open, async () => []));
    expect(await bodyOf(await fetch(`${url}/gadgets`))).toMatchObject({ status: 404, code: "not_found" });
    expect(await bodyOf(await postJson(`${url}/gadgets`, "not json"))).toMatchObject({ status: 404 });
    expect((await fetch(`${url}/gadgets`, { method: "OPTIONS" })).status).toBe(404);
    expect((await fetch(`${url}/gadgets`, { method: "PROPFIND" })).status).toBe(404);
  });

  test("PF-043 a known address with another method is 405 with what it allows, parameters and plugins included", async () => {
    const { url } = await serve({}, async (app) => {
      app.get("/widgets/:id", open, async () => ({}));
      await app.register(async (plugin) => void plugin.delete("/widgets/:id", open, async () => ({})));
    });
    const response = await postJson(`${url}/widgets/7?x=1`, "{}");
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("DELETE, GET, HEAD, OPTIONS");
    expect(await bodyOf(response)).toMatchObject({ code: "method_not_allowed" });
    expect((await fetch(`${url}/widgets/7`, { method: "PROPFIND" })).status).toBe(405);
  });

  test("PF-043 OPTIONS names the methods of an address and of the server, HEAD answers without a body", async () => {
    const { url } = await serve({}, (app) => {
      app.get("/widgets", open, async () => ["one"]);
      app.post("/widgets", open, async () => ({}));
    });
    const options = await fetch(`${url}/widgets`, { method: "OPTIONS" });
    expect([options.status, options.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS, POST"]);
    const raw = await openRaw(url);
    raw.send("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(await raw.closed()).toMatch(/^HTTP\/1\.1 204 .*^allow: GET, HEAD, OPTIONS, POST/ms);
    const head = await fetch(`${url}/widgets`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "7", ""]);
  });

  test("PF-043 another media type is 415, with or without a parser for it elsewhere", async () => {
    const { url } = await serve({}, async (app) => {
      app.post("/widgets", open, async (request) => ({ got: request.body }));
      await app.register(async (plugin) => {
        plugin.addContentTypeParser("text/plain", { parseAs: "string" }, (_request, body, done) => done(null, body));
        plugin.post("/notes", open, async (request) => ({ got: request.body }));
      });
    });
    const send = (path: string, type: string) =>
      fetch(url + path, { method: "POST", body: '"x"', headers: { "content-type": type } });
    expect(await bodyOf(await send("/widgets", "text/plain"))).toMatchObject({
      status: 415,
      code: "unsupported_media_type",
    });
    expect((await send("/widgets", "application/json; charset=utf-16")).status).toBe(415);
    expect((await send("/widgets", "nonsense")).status).toBe(415);
    expect(await bodyOf(await send("/widgets", "application/merge-patch+json; charset=UTF-8"))).toEqual({ got: "x" });
    expect(await bodyOf(await send("/notes", "text/plain"))).toEqual({ got: '"x"' });
  });

  test("PF-043 a trailing slash never changes the meaning", async () => {
    const { url } = await serve({}, (app) => {
      app.get("/widgets", open, async () => "all");
      app.get("/widgets/:id", open, async (request) => request.params);
      app.get("/slashed/", open, async () => "slashed");
    });
    for (const path of ["/widgets", "/widgets/", "/widgets/?a=b"])
      expect(await (await fetch(url + path)).text()).toBe("all");
    for (const path of ["/widgets/7", "/widgets/7/"])
      expect(await bodyOf(await fetch(url + path))).toEqual({ id: "7" });
    for (const path of ["/slashed", "/slashed/"]) expect(await (await fetch(url + path)).text()).toBe("slashed");
    expect((await postJson(`${url}/widgets/`, "{}")).status).toBe(405);
  });

  test("PF-043 a path that cannot be decoded, or with an endless parameter, is refused as a parameter", async () => {
    const { url } = await serve({}, (app) => void app.get("/widgets/:id", open, async () => ({})));
    const undecodable = await fetch(`${url}/widgets/%zz`);
    expect(undecodable.headers.get("x-correlation-id")).not.toBeNull();
    expect(await bodyOf(undecodable)).toMatchObject({ status: 400, code: "invalid_parameter" });
    expect(await bodyOf(await fetch(`${url}/widgets/${"x".repeat(600)}`))).toMatchObject({
      status: 400,
      code: "invalid_parameter",
    });
  });

  test("callNotFound answers like an unknown address", async () => {
    const { url } = await serve({}, (app) => void app.get("/*", open, (_request, reply) => reply.callNotFound()));
    expect(await bodyOf(await fetch(`${url}/anything`))).toMatchObject({ status: 404, code: "not_found" });
  });

  test("a rewritten address is routed as rewritten and named as sent", async () => {
    const { url } = await serve({ rewriteUrl: (path) => path.replace(/^\/prefix/, "") }, (app) => {
      app.get("/widgets", open, async () => "all");
    });
    expect(await (await fetch(`${url}/prefix/widgets`)).text()).toBe("all");
    expect(await bodyOf(await fetch(`${url}/prefix/gadgets`))).toMatchObject({ instance: "/prefix/gadgets" });
  });
});

describe("PF-030 routes state who may call them", () => {
  test("PF-030 a route that does not say refuses to register, also within a plugin", async () => {
    const app = await createHttpServer();
    expect(() => app.get("/widgets", async () => [])).toThrow(
      expect.objectContaining({ code: "HTTP_ROUTE_WITHOUT_ACCESS", message: expect.stringContaining("GET /widgets") }),
    );
    app.register(async (plugin) => void plugin.post("/gadgets", async () => []));
    await expect(app.ready()).rejects.toThrow("POST /gadgets");
  });

  test("PF-030 a route with a scope refuses to register on a server that cannot check tokens", async () => {
    const app = await createHttpServer();
    const register = () => app.get("/widgets", { config: { access: { scope: "errors:read" } } }, async () => []);
    expect(register).toThrow(HttpSetupError);
  });
});
