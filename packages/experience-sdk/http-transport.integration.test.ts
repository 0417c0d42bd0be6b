import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Client } from "./client.js";
import { createClient } from "./create-client.js";
import type { ClientOptions } from "./options.js";
import { type HttpTracker, startHttpTracker } from "./testing/http-tracker.js";
import { definitions } from "./testing/open-client.js";
import { version } from "./version.js";

let tracker: HttpTracker;
let client: Client;

beforeEach(async () => {
  tracker = await startHttpTracker();
});

afterEach(async () => {
  await client?.shutdown(0);
  await tracker.down();
});

function open(options: Partial<ClientOptions> = {}): Client {
  client = createClient({
    endpoint: tracker.url,
    type: "web",
    definitions,
    environment: "production",
    token: "good",
    maxBatchWaitMs: 20,
    ...options,
  });
  return client;
}

describe("XP-090 a request over HTTP", () => {
  test("XP-051 XP-090 goes to the tracker with token and version, small ones as they are", async () => {
    open().start("checkout").complete();
    expect(await client.flush()).toEqual({ sent: 2, pending: 0 });
    const [request] = tracker.requests;
    expect([request?.method, request?.path]).toEqual(["POST", "/api/v1/experience/checkpoints/batch"]);
    expect(request?.headers).toMatchObject({
      authorization: "Bearer good",
      "user-agent": `experience-sdk/${version}`,
      "content-type": "application/json",
    });
    expect(request?.headers).not.toHaveProperty("x-experience-dropped");
    expect(tracker.accepted.map(({ checkpoint }) => checkpoint)).toEqual(["start", "end"]);
  });

  test("XP-090 names the version of the package", () => {
    const manifest = JSON.parse(readFileSync(new URL("./package.json", import.meta.url), "utf8"));
    expect(version).toBe(manifest.version);
  });

  test("XP-082 is gzipped from 1 KiB on", async () => {
    open().start("checkout", { note: "ü".repeat(1_000) });
    await client.flush();
    expect(tracker.requests[0]?.headers["content-encoding"]).toBe("gzip");
    expect(tracker.accepted[0]?.meta).toEqual({ note: "ü".repeat(1_000) });
  });

  test("XP-090 tells of drops in a header", async () => {
    open({ maxQueueEvents: 1 });
    for (let index = 0; index < 4; index++) client.start("checkout");
    await client.flush();
    expect(tracker.requests[0]?.headers["x-experience-dropped"]).toBe("queue_full=3");
  });

  test("XP-090 is not redirected: the token stays here", async () => {
    const elsewhere = await startHttpTracker();
    tracker.answer = () => ({ status: 307, headers: { location: `${elsewhere.url}/` } });
    open().start("checkout");
    await client.flush();
    expect(elsewhere.requests).toEqual([]);
    expect(client.stats().dropped.rejected).toBe(1);
    await elsewhere.down();
  });

  test.each([
    ["no JSON", "<html>thanks</html>"],
    ["nothing", ""],
    ["more than 1 MiB", JSON.stringify({ results: [{ index: 0, status: 422 }], rest: "x".repeat(2 ** 20) })],
  ])("XP-090 that is answered 2xx with %s counts as accepted", async (_what, body) => {
    tracker.answer = () => ({ status: 202, body });
    open().start("checkout").complete();
    await client.flush();
    expect(client.stats()).toMatchObject({ sent: 2, dropped: { rejected: 0 } });
  });
});

describe("XP-043 definitions from the tracker", () => {
  const remote = {
    definitions: [{ id: "remote_only", feature_category: "shop", urgency: "sync_slow", threshold_s: 5 }],
  };

  test("XP-043 checkpoints wait for them, are filled in, and unknown ids are dropped then", async () => {
    let ready = false;
    tracker.answer = ({ method }) => {
      if (method === "POST") return { status: 200, body: "{}" };
      return ready ? { status: 200, body: JSON.stringify(remote), headers: { etag: '"1"' } } : { status: 503 };
    };
    open({ definitions: "remote" });
    client.start("remote_only").complete();
    client.start("nobody").complete();
    expect(await client.flush(100)).toEqual({ sent: 0, pending: 4 });
    expect(tracker.accepted).toEqual([]);
    ready = true;
    expect(await client.flush(10_000)).toEqual({ sent: 2, pending: 0 });
    expect(tracker.accepted).toEqual([
      expect.objectContaining({ checkpoint: "start", feature_category: "shop", urgency: "sync_slow" }),
      expect.objectContaining({ checkpoint: "end", feature_category: "shop", urgency: "sync_slow" }),
    ]);
    expect(client.stats().dropped.rejected).toBe(2);
    const asked = tracker.requests.find(({ method }) => method === "GET");
    expect([asked?.path, asked?.headers.authorization]).toEqual(["/api/v1/experience/definitions", "Bearer good"]);
    client.start("nobody");
    expect(client.stats().queued).toBe(4);
  });
});
