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

describe("PF-040 PF-043 heads that two programs could understand in two ways", () => {
  const answered = async (url: string, head: string): Promise<string> => {
    const raw = await openRaw(url);
    raw.send(`${head}\r\n\r\n`);
    return raw.until((received) => received.includes("\r\n\r\n"));
  };

  test.each([
    ["two hosts", "GET /widgets HTTP/1.1\r\nHost: one\r\nHost: other"],
    ["the same host twice", "GET /widgets HTTP/1.1\r\nHost: one\r\nhost: one"],
    ["no host", "GET /widgets HTTP/1.1"],
    ["a host that is none", "GET /widgets HTTP/1.1\r\nHost: one/../other"],
    ["a host with user info", "GET /widgets HTTP/1.1\r\nHost: me@one"],
    ["no host at an unknown address", "GET /gadgets HTTP/1.1"],
    ["the whole server as an address", "GET * HTTP/1.1\r\nHost: one"],
    ["a folded header", "GET /widgets HTTP/1.1\r\nHost: one\r\nX: a\r\n b"],
    ["two lengths", "POST /widgets HTTP/1.1\r\nHost: one\r\nContent-Length: 2\r\nTransfer-Encoding: chunked"],
    ["lines without CR", "GET /widgets HTTP/1.1\nHost: one\n"],
  ])("PF-040 %s: 400 with a problem", async (_, head) => {
    const { url } = await serve({}, (app) => void app.get("/widgets", open, async () => []));
    expect(await answered(url, head)).toMatch(
      /^HTTP\/1\.1 400 (?=.*^content-type: application\/problem\+json)(?=.*^x-correlation-id: \w).*"code":"malformed_request"/ims,
    );
  });

  test.each([
    ["a host and port", "GET /widgets HTTP/1.1\r\nHost: one.example:8787"],
    ["an IPv6 host", "GET /widgets HTTP/1.1\r\nHost: [::1]:8787"],
    ["an empty host", "GET /widgets HTTP/1.1\r\nHost:"],
    ["an older version without host", "GET /widgets HTTP/1.0"],
    ["a whole URL as its address", "GET http://one.example/widgets HTTP/1.1\r\nHost: one.example"],
    ["an escaped letter", "GET /widget%73 HTTP/1.1\r\nHost: one"],
  ])("PF-043 %s is fine", async (_, head) => {
    const { url } = await serve({}, (app) => void app.get("/widgets", open, async () => []));
    expect(await answered(url, head)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("PF-040 what is wrong after a whole request is answered after its answer", async () => {
    let answer: (() => void) | undefined;
    const { url } = await serve({}, (app) => {
      app.get("/slow", open, async () => {
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        return { slow: true };
      });
      app.get("/begun", open, async () => ({ begun: true }));
    });
    const raw = await openRaw(url);
    const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: one\r\n\r\n`;
    raw.send(get("/begun"));
    await raw.until((received) => received.includes('{"begun":true}'));
    raw.send(`${get("/slow")}${get("/begun")}nonsense\r\n\r\n`);
    raw.send("more of it\r\n\r\n");
    await expect.poll(() => answer).toBeDefined();
    const other = await openRaw(url);
    other.send(get("/begun"));
    await other.until((received) => received.includes('{"begun":true}'));
    answer?.();
    const answers = (await raw.closed()).match(/HTTP\/1\.1 \d+|\{"(?:slow|begun)":true\}|"code":"\w+"/g);
    expect(answers).toEqual([
      "HTTP/1.1 200",
      '{"begun":true}',
      "HTTP/1.1 200",
      '{"slow":true}',
      "HTTP/1.1 200",
      '{"begun":true}',
      "HTTP/1.1 400",
      '"code":"malformed_request"',
    ]);
  });
});

describe("PF-043 a page for people at addresses that do not exist", () => {
  const page = "<!doctype html><title>Not here</title>";
  const html = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

  test("PF-043 PF-046 browsers get the page with 404, programs a problem", async () => {
    const { url } = await serve({ notFoundPage: page }, (app) => void app.get("/widgets", open, async () => []));
    const seen = await fetch(`${url}/nope?x=1`, { headers: html });
    expect([seen.status, seen.headers.get("content-type"), await seen.text()]).toEqual([
      404,
      "text/html; charset=utf-8",
      page,
    ]);
    expect(seen.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(seen.headers.get("x-correlation-id")).toBeTruthy();
    const head = await fetch(`${url}/nope`, { method: "HEAD", headers: html });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
      404,
      String(page.length),
      "",
    ]);
    for (const [path, headers] of [
      ["/nope", { accept: "application/json" }],
      ["/nope", {}],
      ["/api/v1/nope", html],
      ["/-/nope", html],
      ["/robots.txt", html],
    ] as const)
      expect(await bodyOf(await fetch(`${url}${path}`, { headers }))).toMatchObject({ status: 404, code: "not_found" });
    expect((await fetch(`${url}/nope`, { method: "POST", headers: html })).headers.get("content-type")).toContain(
      "problem",
    );
    expect((await fetch(`${url}/widgets`, { method: "DELETE", headers: html })).status).toBe(405);
  });
});
