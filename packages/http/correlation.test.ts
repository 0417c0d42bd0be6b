import { currentContext, isUlid } from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";
import { describe, expect, test } from "vitest";
import { openRaw } from "./testing/raw-connection.js";
import { bodyOf, postJson, serve } from "./testing/serve.js";

const open = { config: { access: "public" } } as const;

/** Answers with the context that the handler runs in. */
function showContext(app: FastifyInstance): void {
  app.get("/context/:id", open, async () => ({ ...currentContext() }));
}

async function contextFor(
  headers: Record<string, string>,
): Promise<{ sent: Headers; context: Record<string, unknown> }> {
  const { url } = await serve({}, showContext);
  const response = await fetch(`${url}/context/1`, { headers });
  return { sent: response.headers, context: await bodyOf(response) };
}

describe("PF-041 correlation", () => {
  test("PF-041 a given id is echoed and becomes the context's", async () => {
    const { sent, context } = await contextFor({ "x-correlation-id": "journey-1" });
    expect(sent.get("x-correlation-id")).toBe("journey-1");
    expect(context).toMatchObject({ correlationId: "journey-1", meta: { caller_id: "GET /context/:id" } });
  });

  test("PF-041 the three forms of one 128-bit number are one id", async () => {
    const ulid = "01JZ3V2M5T8Q4X9C7B6A1D0E2F";
    const { sent } = await contextFor({ "x-correlation-id": ulid.toLowerCase() });
    expect(sent.get("x-correlation-id")).toBe(ulid);
    const uuid = await contextFor({ "x-correlation-id": "0197c7b1-50ba-45c9-d4b0-eb32981b004f" });
    const hex = await contextFor({ "x-correlation-id": "0197C7B150BA45C9D4B0EB32981B004F" });
    expect(isUlid(uuid.sent.get("x-correlation-id") ?? "")).toBe(true);
    expect(uuid.sent.get("x-correlation-id")).toBe(hex.sent.get("x-correlation-id"));
  });

  test("PF-041 an id is made when none is given or the given one is not acceptable", async () => {
    for (const given of ["", "two words", "x".repeat(65)]) {
      const { sent, context } = await contextFor(given === "" ? {} : { "x-correlation-id": given });
      expect(isUlid(sent.get("x-correlation-id") ?? "")).toBe(true);
      expect(context["correlationId"]).toBe(sent.get("x-correlation-id"));
    }
  });

  test("PF-041 without it the request id counts, then the trace id; the request id is echoed", async () => {
    const traceparent = "00-0197c7b150ba45c9d4b0eb32981b004f-00f067aa0ba902b7-01";
    const byRequest = await contextFor({ "x-request-id": "req-7", traceparent });
    expect(byRequest.sent.get("x-correlation-id")).toBe("req-7");
    expect(byRequest.sent.get("x-request-id")).toBe("req-7");
    const byTrace = await contextFor({ traceparent });
    const asUuid = await contextFor({ "x-correlation-id": "0197c7b1-50ba-45c9-d4b0-eb32981b004f" });
    expect(byTrace.sent.get("x-correlation-id")).toBe(asUuid.sent.get("x-correlation-id"));
  });

  test("PF-041 a trace is continued with a span of our own, and what is no trace is left out", async () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const { sent, context } = await contextFor({
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      tracestate: "vendor=1",
    });
    const continued = sent.get("traceparent") ?? "";
    expect(continued).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect(continued).not.toContain("b7ad6b7169203331");
    expect(context).toMatchObject({ traceparent: continued, tracestate: "vendor=1" });
    const later = await contextFor({ traceparent: `cc-${traceId}-b7ad6b7169203331-00-more` });
    expect(later.sent.get("traceparent")).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
    for (const traceparent of [
      `ff-${traceId}-b7ad6b7169203331-01`,
      `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
      `00-${traceId}-${"0".repeat(16)}-01`,
      `00-${traceId}-b7ad6b7169203331-01-more`,
      `00-${traceId.toUpperCase()}-b7ad6b7169203331-01`,
    ]) {
      const without = await contextFor({ traceparent, tracestate: "vendor=1" });
      expect(without.sent.get("traceparent")).toBeNull();
      expect(without.context).not.toHaveProperty("tracestate");
    }
  });

  test("PF-041 every answer carries it: errors, unknown addresses, bytes that are no request", async () => {
    const { url } = await serve({}, (app) => {
      app.get("/boom", open, () => {
        throw new Error("boom");
      });
      app.post("/json", open, async () => ({}));
    });
    const answers = [
      await fetch(`${url}/boom`),
      await fetch(`${url}/nowhere`),
      await fetch(`${url}/boom`, { method: "OPTIONS" }),
      await postJson(`${url}/json`, "{"),
      await fetch(`${url}/%zz`),
    ];
    for (const answer of answers) expect(isUlid(answer.headers.get("x-correlation-id") ?? "")).toBe(true);
    const raw = await openRaw(url);
    raw.send("this is not HTTP\r\n\r\n");
    expect(await raw.closed()).toMatch(/x-correlation-id: [0-9A-Z]{26}/);
  });

  test("PF-041 requests under way at once on one connection and many keep their own context through every await", async () => {
    const { url } = await serve({}, (app) => {
      app.post("/wait", open, async (request) => {
        await new Promise((resolve) => setImmediate(resolve));
        const early = currentContext().correlationId;
        await new Promise((resolve) => setTimeout(resolve, 2));
        return { early, late: currentContext().correlationId, body: request.body };
      });
    });
    const ids = Array.from({ length: 60 }, (_, index) => `journey-${index}`);
    const bodies = await Promise.all(
      ids.map(async (id) => bodyOf(await postJson(`${url}/wait`, JSON.stringify({ id }), { "x-correlation-id": id }))),
    );
    expect(bodies).toEqual(ids.map((id) => ({ early: id, late: id, body: { id } })));
  });

  /** Sends three pieces to `/stream` for each of two requests on one connection; its answer names every id that was seen. */
  async function expectOneIdEach(addRoute: (plugin: FastifyInstance) => void): Promise<void> {
    const { url } = await serve({}, async (app) => {
      await app.register(async (plugin) => {
        plugin.removeAllContentTypeParsers();
        plugin.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
        addRoute(plugin);
      });
    });
    const raw = await openRaw(url);
    for (const id of ["first", "second"]) {
      const before = raw.received.length;
      raw.send(`POST /stream HTTP/1.1\r\nHost: a\r\nX-Correlation-ID: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n`);
      for (const chunk of ["5\r\nhello\r\n", "6\r\n world\r\n", "0\r\n\r\n"]) {
        await new Promise((resolve) => setImmediate(resolve));
        raw.send(chunk);
      }
      const answer = await raw.until((received) => received.slice(before).endsWith("}"));
      expect(answer.slice(before)).toContain(`{"seen":["${id}"]}`);
    }
    raw.socket.destroy();
  }

  test("PF-041 the context holds while a body is streamed, request after request on one connection", () =>
    expectOneIdEach((plugin) => {
      plugin.post("/stream", { config: { access: "protocol" } }, async (request) => {
        const seen = new Set<string | undefined>();
        for await (const _piece of request.raw) seen.add(currentContext().correlationId);
        seen.add(currentContext().correlationId);
        return { seen: [...seen] };
      });
    }));

  // From Node 24 on listeners are called in the context of the connection: who streams awaits the pieces there.
  test.runIf(Number.parseInt(process.versions.node, 10) < 24)(
    "PF-041 the context reaches listeners of a streamed body, request after request on one connection",
    () =>
      expectOneIdEach((plugin) => {
        plugin.post("/stream", { config: { access: "protocol" } }, (request, reply) => {
          const seen = new Set<string | undefined>();
          request.raw.on("data", () => seen.add(currentContext().correlationId));
          request.raw.on("end", () => {
            seen.add(currentContext().correlationId);
            reply.send({ seen: [...seen] });
          });
        });
      }),
  );
});
