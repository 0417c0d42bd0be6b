import { describe, expect, test } from "vitest";
import { escapeHtml } from "./security-headers.js";
import { serve } from "./testing/serve.js";

const open = { config: { access: "public" } } as const;

describe("PF-046 HTML", () => {
  test("PF-046 runs no inline script, is not framed, not sniffed, and tells no one where a click came from", async () => {
    const { url } = await serve({}, async (app) => {
      await app.register(async (plugin) => {
        plugin.get("/page", open, (_request, reply) => reply.type("text/html; charset=utf-8").send("<p>hello"));
      });
    });
    const { headers } = await fetch(`${url}/page`);
    const policy = new Map(
      (headers.get("content-security-policy") ?? "").split("; ").map((part) => {
        const [name = "", ...sources] = part.split(" ");
        return [name, sources];
      }),
    );
    expect(policy.get("default-src")).toEqual(["'none'"]);
    expect(policy.get("script-src")).toEqual(["'self'"]);
    expect(policy.get("frame-ancestors")).toEqual(["'none'"]);
    expect(policy.get("base-uri")).toEqual(["'none'"]);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
  });

  test("PF-046 also what else a browser runs scripts of; a stricter policy of a route stays", async () => {
    const { url } = await serve({}, (app) => {
      app.get("/image", open, (_request, reply) => reply.type("image/svg+xml").send("<svg/>"));
      app.get("/strict", open, (_request, reply) =>
        reply.type("text/html").header("content-security-policy", "sandbox").send("<p>"),
      );
    });
    expect((await fetch(`${url}/image`)).headers.get("content-security-policy")).toContain("script-src 'self'");
    expect((await fetch(`${url}/strict`)).headers.get("content-security-policy")).toBe("sandbox");
  });

  test("PF-046 files and texts are not sniffed into HTML", async () => {
    const { url } = await serve({}, (app) => {
      app.get("/file", open, (_request, reply) => reply.type("application/octet-stream").send(Buffer.from("<script>")));
      app.get("/text", open, (_request, reply) => reply.type("text/plain").send("<script>"));
      app.get("/none", open, (_request, reply) => reply.send("<script>"));
    });
    for (const path of ["/file", "/text", "/none", "/nowhere"])
      expect((await fetch(url + path)).headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("PF-046 text of events is escaped for elements and attributes", () => {
    expect(escapeHtml(`<img src=x onerror="alert('1')">&`)).toBe(
      "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;",
    );
  });
});
