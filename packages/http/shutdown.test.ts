import { describe, expect, test } from "vitest";
import { createHttpService } from "./http-service.js";
import { createHttpServer } from "./server.js";
import { eventually } from "./testing/eventually.js";
import { openRaw } from "./testing/raw-connection.js";
import { bodyOf } from "./testing/serve.js";

const open = { config: { access: "public" } } as const;

/** A service with one quick route and one that waits until it is released. */
async function startService() {
  const app = await createHttpServer();
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  app.get("/quick", open, async () => ({}));
  app.get("/slow", open, async () => {
    await released;
    return { done: true };
  });
  app.get("/stream", open, (request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200);
    reply.raw.write("event\n");
    request.server.shutdown.signal.addEventListener("abort", () => reply.raw.end("bye\n"));
  });
  const service = createHttpService({ name: "test", app, host: "127.0.0.1", port: 0 });
  await service.start();
  return { app, service, release, url: service.url };
}

describe("stopping a server", () => {
  test("a new request on an open connection is 503 with Retry-After, and the connection is closed", async () => {
    const { app, service, url } = await startService();
    const raw = await openRaw(url);
    raw.send("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
    await raw.until((received) => received.endsWith("{}"));
    app.beginShutdown();
    raw.send("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
    const second = (await raw.closed()).split("{}")[1] ?? "";
    expect(second).toMatch(/^HTTP\/1\.1 503 /);
    expect(second).toMatch(/^retry-after: 5\r$/m);
    expect(second).toMatch(/^connection: close\r$/m);
    expect(second).toContain('"code":"shutting_down"');
    await service.stop();
  });

  test("a connection on which nothing was ever sent does not hold up the end", async () => {
    const { service, url } = await startService();
    const raw = await openRaw(url);
    await fetch(`${url}/quick`);
    await service.stop({ deadlineMs: 600_000 });
    await raw.closed();
  });

  test("requests under way are answered before it ends, streams are told to", async () => {
    const { app, service, release, url } = await startService();
    const slow = fetch(`${url}/slow`);
    const stream = await fetch(`${url}/stream`);
    await eventually(() => app.shutdown.inFlight).toBe(2);
    const stopped = service.stop();
    expect(await stream.text()).toBe("event\nbye\n");
    release();
    expect(await bodyOf(await slow)).toEqual({ done: true });
    await stopped;
    await expect(fetch(`${url}/quick`)).rejects.toThrow("fetch failed");
  });

  test("what is not done by the deadline is cut, and stopping twice is one stop", async () => {
    const { app, service, url } = await startService();
    const slow = fetch(`${url}/slow`).catch(() => "cut");
    await eventually(() => app.shutdown.inFlight).toBe(1);
    await Promise.all([service.stop({ deadlineMs: 50 }), service.stop()]);
    expect(await slow).toBe("cut");
  });

  test("a service that never started stops", async () => {
    const app = await createHttpServer();
    await createHttpService({ name: "test", app, host: "127.0.0.1", port: 0 }).stop();
  });
});
