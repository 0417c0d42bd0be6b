import { PassThrough } from "node:stream";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import type { FastifyInstance } from "fastify";
import { describe, expect, test } from "vitest";
import { readBody } from "./body.js";
import { parseJson } from "./json-body.js";
import { eventually } from "./testing/eventually.js";
import { openRaw } from "./testing/raw-connection.js";
import { bodyOf, postJson, serve } from "./testing/serve.js";

const open = { config: { access: "public" } } as const;

function echo(app: FastifyInstance): void {
  app.post("/echo", open, async (request) => ({ got: request.body }));
  app.post(
    "/small",
    { config: { access: "public", body: { maxBytes: 100, maxInflatedBytes: 1000 } } },
    async () => ({}),
  );
}

describe("PF-042 size of bodies", () => {
  test("PF-042 a body beyond the route's limit is 413 with the limit, however its length is told", async () => {
    const { url } = await serve({}, echo);
    const tooLong = JSON.stringify("x".repeat(200));
    const answer = await bodyOf(await postJson(`${url}/small`, tooLong));
    expect(answer).toMatchObject({ status: 413, code: "body_too_large" });
    expect(answer["detail"]).toBe("The body may have at most 100 bytes.");
    const raw = await openRaw(url);
    raw.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    raw.send(`65\r\n${"x".repeat(101)}\r\n`);
    expect(await raw.until((received) => received.endsWith("}"))).toMatch(/^HTTP\/1\.1 413 .*at most 100 bytes/s);
    raw.socket.destroy();
    const announced = await openRaw(url);
    announced.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 101\r\n\r\n");
    expect(await announced.until((received) => received.endsWith("}"))).toMatch(/^HTTP\/1\.1 413 /);
    announced.socket.destroy();
    expect((await postJson(`${url}/small`, JSON.stringify("x".repeat(98)))).status).toBe(200);
  });

  test("PF-042 decompression stops at its own limit", async () => {
    const { url } = await serve({}, echo);
    const bomb = gzipSync(JSON.stringify("x".repeat(20_000)));
    expect(bomb.length).toBeLessThan(100);
    const answer = await bodyOf(await postJson(`${url}/small`, bomb, { "content-encoding": "gzip" }));
    expect(answer["detail"]).toBe("The body may have at most 1000 bytes after decompression.");
  });

  test("PF-042 a bomb of 1 GiB costs no more memory than the limit", async () => {
    const { url } = await serve({}, echo);
    // One gzip member of 1 MiB of blanks, a thousand times over: members follow each other in one body.
    const bomb = Buffer.concat(new Array<Buffer>(1000).fill(gzipSync(Buffer.alloc(1024 * 1024, 0x20))));
    expect(bomb.length).toBeGreaterThan(1_000_000);
    const cut = bomb.subarray(0, 1_000_000);
    const before = process.memoryUsage().rss;
    const answer = await postJson(`${url}/echo`, cut, { "content-encoding": "gzip" });
    expect(answer.status).toBe(413);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });

  test("PF-042 what takes long to decompress waits for its turn once it is whole; what is small does not wait", async () => {
    const text = JSON.stringify(Array.from({ length: 20_000 }, (_, index) => index * 7_919));
    const sent = gzipSync(text);
    const limits = { maxBytes: sent.length, maxInflatedBytes: text.length };
    const asked: number[] = [];
    const bodyAfter = (source: PassThrough) =>
      readBody(source, { "content-encoding": "gzip" }, limits, (sentBytes, inflate) => {
        asked.push(sentBytes);
        return inflate();
      });
    const slow = new PassThrough();
    const slowBody = bodyAfter(slow);
    slow.write(sent.subarray(0, -1));
    const small = new PassThrough();
    small.end(gzipSync("[1]"));
    expect(String(await bodyAfter(small))).toBe("[1]");
    expect(asked).toEqual([]);
    slow.end(sent.subarray(-1));
    expect(String(await slowBody)).toBe(text);
    expect(asked).toEqual([sent.length]);
  });

  test("PF-042 gzip, both kinds of deflate and brotli are undone, others are named 415", async () => {
    const { url } = await serve({}, echo);
    const json = JSON.stringify({ text: "hello".repeat(100) });
    const encoded: [string, Buffer][] = [
      ["gzip", gzipSync(json)],
      ["X-GZIP", gzipSync(json)],
      ["deflate", deflateSync(json)],
      ["deflate", deflateRawSync(json)],
      ["br", brotliCompressSync(json)],
      ["identity", Buffer.from(json)],
    ];
    for (const [encoding, bytes] of encoded)
      expect(await bodyOf(await postJson(`${url}/echo`, bytes, { "content-encoding": encoding }))).toEqual({
        got: JSON.parse(json),
      });
    const refused = await postJson(`${url}/echo`, "{}", { "content-encoding": "compress" });
    expect(refused.headers.get("accept-encoding")).toBe("gzip, deflate, br, identity");
    expect(await bodyOf(refused)).toMatchObject({ status: 415, code: "unsupported_encoding" });
    const corrupt = await postJson(`${url}/echo`, "no gzip", { "content-encoding": "gzip" });
    expect(await bodyOf(corrupt)).toMatchObject({ status: 400, code: "malformed_json" });
  });
});

describe("PF-042 JSON that is refused", () => {
  const refusal = (text: string | Uint8Array, maxDepth?: number): string => {
    try {
      parseJson(typeof text === "string" ? Buffer.from(text) : text, maxDepth);
      return "accepted";
    } catch (error) {
      return error instanceof Error && "code" in error ? String(error.code) : "unexpected";
    }
  };

  test("PF-042 nesting beyond 200 levels, of arrays, objects and both", () => {
    const nested = (levels: number, open: string, close: string) => open.repeat(levels) + close.repeat(levels);
    expect(refusal(nested(200, "[", "]"))).toBe("accepted");
    expect(refusal(nested(201, "[", "]"))).toBe("malformed_json");
    expect(refusal(`${'{"a":'.repeat(200)}1${"}".repeat(200)}`)).toBe("accepted");
    expect(refusal(`${'{"a":'.repeat(201)}1${"}".repeat(201)}`)).toBe("malformed_json");
    expect(refusal(nested(100_000, "[", "]"))).toBe("malformed_json");
    expect(refusal(JSON.stringify(`${"[".repeat(500)}`))).toBe("accepted");
    expect(refusal('"\\"[[[["', 2)).toBe("accepted");
  });

  test("PF-042 keys that reach a prototype: anywhere, escaped, repeated, hidden by a later one", () => {
    for (const text of [
      '{"__proto__":{"admin":true}}',
      '{"a":[{"b":{"__proto__":1}}]}',
      '{"\\u005f_proto__":1}',
      '{"__pr\\u006fto__" :1}',
      '{"__proto__":1,"__proto__":2}',
      '{"constructor":{"prototype":{"admin":true}}}',
      '{"constructor":{"a":1,"prototype":{}}}',
      '{"constructor":{"prototype":{}},"constructor":1}',
      '{"constr\\u0075ctor" : {"prototyp\\u0065":{}}}',
    ])
      expect([text, refusal(text)]).toEqual([text, "malformed_json"]);
    for (const text of [
      '{"constructor":"Ferrari","prototype":"F40"}',
      '{"a":"__proto__"}',
      '["__proto__"]',
      '{"constructor":{"name":"x"}}',
      '{"constructor":[{"prototype":1}]}',
      '{"proto":1,"__proto":2}',
    ])
      expect([text, refusal(text)]).toEqual([text, "accepted"]);
  });

  test("PF-042 nothing is polluted by what is refused", async () => {
    const { url } = await serve({}, echo);
    const answer = await bodyOf(await postJson(`${url}/echo`, '{"__proto__":{"admin":true}}'));
    expect(answer).toMatchObject({ status: 400, code: "malformed_json" });
    expect(Reflect.get({}, "admin")).toBeUndefined();
  });

  test("PF-042 invalid UTF-8, trailing text, nothing at all; a byte-order mark is skipped", () => {
    expect(refusal(Buffer.from([0x22, 0xff, 0x22]))).toBe("malformed_json");
    expect(refusal(Buffer.from([0x22, 0xc3, 0x28, 0x22]))).toBe("malformed_json");
    expect(refusal("{} x")).toBe("malformed_json");
    expect(refusal("")).toBe("empty_body");
    expect(refusal("\uFEFF")).toBe("empty_body");
    expect(parseJson(Buffer.from('\uFEFF{"a":1}'))).toEqual({ a: 1 });
  });

  test("PF-042 whatever else is JSON comes out as the language's own parser has it", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        fc.pre(!/__proto__|constructor/.test(text));
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('"', "\\", "{", "}", "[", "]", ":", ",", "a", "u", "0", " ") }),
        (text) => {
          const accepted = refusal(text) === "accepted";
          let valid = true;
          try {
            JSON.parse(text);
          } catch {
            valid = false;
          }
          expect(accepted).toBe(valid);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("PF-042 an empty body is 400 where one is needed and nothing where none is", async () => {
    const { url } = await serve({}, (app) => {
      app.post("/needed", { ...open, schema: { body: { type: "object" } } }, async () => ({}));
      app.delete("/widgets/:id", open, async (request) => ({ got: request.body ?? null }));
    });
    expect(await bodyOf(await postJson(`${url}/needed`, ""))).toMatchObject({ status: 400, code: "empty_body" });
    expect(await bodyOf(await fetch(`${url}/needed`, { method: "POST" }))).toMatchObject({ code: "empty_body" });
    const headers = { "content-type": "application/json" };
    expect(await bodyOf(await fetch(`${url}/widgets/1`, { method: "DELETE", headers }))).toEqual({ got: null });
  });
});

describe("PF-042 slow and broken clients", () => {
  const impatient = { limits: { headersTimeoutMs: 300, requestTimeoutMs: 600, keepAliveTimeoutMs: 300 } };

  test("PF-042 headers that do not end in time are answered 408 and cut", async () => {
    const { url } = await serve({ limits: { headersTimeoutMs: 300 } }, echo);
    const raw = await openRaw(url);
    raw.send("GET /echo HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    expect(await raw.closed()).toMatch(/^HTTP\/1\.1 408 .*"code":"request_timeout"/s);
  });

  test("PF-042 a body that does not end in time is cut, and the server goes on", async () => {
    const { url } = await serve(impatient, echo);
    const raw = await openRaw(url);
    raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    expect(await raw.closed()).toMatch(/^HTTP\/1\.1 408 /);
    expect((await postJson(`${url}/echo`, "{}")).status).toBe(200);
  });

  test("PF-042 an idle connection is closed, and one that has carried its share", async () => {
    const { url } = await serve({ limits: { ...impatient.limits, maxRequestsPerConnection: 2 } }, echo);
    const idle = await openRaw(url);
    idle.send("OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await idle.closed()).toMatch(/^HTTP\/1\.1 204 /);
    const busy = await openRaw(url);
    busy.send("OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    await busy.until((received) => received.includes("\r\n\r\n"));
    busy.send("OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await busy.closed()).toLowerCase().match(/connection: (\S+)/g)).toEqual([
      "connection: keep-alive",
      "connection: close",
    ]);
  });

  test("PF-042 what is not HTTP is 400, headers beyond the limit are 431, and the server goes on", async () => {
    const { url } = await serve({}, echo);
    const broken = await openRaw(url);
    broken.send("\u0000\u0001\u0002 nonsense\r\n\r\n");
    expect(await broken.closed()).toMatch(/^HTTP\/1\.1 400 .*"code":"malformed_request"/s);
    const large = await openRaw(url);
    large.send(`GET /echo HTTP/1.1\r\nHost: a\r\nX-Large: ${"x".repeat(20_000)}\r\n\r\n`);
    expect(await large.closed()).toMatch(/^HTTP\/1\.1 431 .*"code":"headers_too_large"/s);
    const badChunk = await openRaw(url);
    badChunk.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    );
    expect(await badChunk.closed()).toMatch(/^HTTP\/1\.1 400 /);
    expect((await postJson(`${url}/echo`, "{}")).status).toBe(200);
  });

  test("PF-042 a client that does not read its answer is cut", async () => {
    const { url, app } = await serve({ limits: { idleTimeoutMs: 300 } }, (server) => {
      server.get("/large", open, (_request, reply) => reply.send(Buffer.alloc(64 * 1024 * 1024)));
    });
    const raw = await openRaw(url);
    raw.socket.pause();
    raw.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await eventually(() => app.shutdown.inFlight).toBe(1);
    await eventually(() => app.shutdown.inFlight).toBe(0);
    raw.socket.destroy();
  });

  test("PF-042 a client that leaves in the middle of its body disturbs nobody", async () => {
    const { url, app } = await serve({}, echo);
    const raw = await openRaw(url);
    raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    await eventually(() => app.shutdown.inFlight).toBe(1);
    raw.socket.destroy();
    await eventually(() => app.shutdown.inFlight).toBe(0);
    expect((await postJson(`${url}/echo`, "{}")).status).toBe(200);
  });

  test("PF-042 reading a body ends when its source does, with an error when that was too early", async () => {
    const limits = { maxBytes: 100, maxInflatedBytes: 100 };
    const source = new PassThrough();
    const reading = readBody(source, {}, limits);
    source.write("{");
    source.destroy();
    await expect(reading).rejects.toMatchObject({ code: "malformed_request" });
    const failing = new PassThrough();
    const alsoReading = readBody(failing, {}, limits);
    failing.destroy(new Error("connection reset"));
    await expect(alsoReading).rejects.toMatchObject({ code: "malformed_request" });
  });
});
