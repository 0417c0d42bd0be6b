import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createPrometheusMetrics } from "@signalbox/http";
import type { Category } from "@signalbox/sentry-protocol";
import { afterEach, describe, expect, test } from "vitest";
import { noFilters } from "../filters/filter-settings.js";
import { writeInstanceSettings } from "../projects/instance-settings.js";
import { updateSettings } from "../projects/project-settings.js";
import type { Projects } from "../projects/projects.js";
import type { Quota } from "../projects/quotas.js";
import {
  envelope,
  eventEnvelope,
  type IngestServer,
  type IngestServerOptions,
  startIngestServer,
} from "../testing/ingest-server.js";

const run = promisify(execFile);

/** Longer than any test takes, wherever in it the test begins. */
const windowS = 1_000_000_000;
const quota = (limit: number, ...categories: Category[]): Quota => ({ categories, limit, windowS });

let server: IngestServer;
afterEach(() => server.close());

async function start(options: IngestServerOptions & { readonly keyQuotas?: readonly Quota[] }): Promise<void> {
  const { keyQuotas, ...others } = options;
  const prepare = (projects: Projects) => projects.updateKey(1, 1, { quotas: keyQuotas ?? [] });
  server = await startIngestServer({ prepare, ...others });
}

async function post(body: Uint8Array | string, url = server.envelopeUrl) {
  const response = await fetch(url, { method: "POST", body: Buffer.from(body) });
  await response.arrayBuffer();
  const { status, headers } = response;
  return {
    status,
    retryAfter: headers.get("retry-after"),
    limits: headers.get("x-sentry-rate-limits")?.replaceAll(/\d{5,}/g, "N"),
    code: headers.get("x-sentry-error"),
  };
}

const event = () => eventEnvelope({ message: "hello" });
const session = envelope({}, [{ type: "span" }, {}]);
const outcomes = () => server.outcomes.map((one) => `${one.category} ${one.outcome} ${one.reason} ${one.quantity}`);

describe("quotas", () => {
  test("ET-090 ET-091 ET-092 ET-115 the items of a quota are taken, what comes then is answered with 429", async () => {
    await start({ keyQuotas: [quota(3, "error")] });
    expect([await post(event()), await post(event())]).toEqual([
      { status: 200, retryAfter: null, limits: undefined, code: null },
      { status: 200, retryAfter: null, limits: undefined, code: null },
    ]);
    // Taken, and told at once that it was the last one.
    expect(await post(event())).toEqual({ status: 200, retryAfter: null, limits: "N:error:key:quota", code: null });
    const refused = await post(event());
    expect(refused).toMatchObject({ status: 429, limits: "N:error:key:quota", code: "ET_RATE_LIMITED" });
    expect(Number(refused.retryAfter)).toBeGreaterThan(0);
    expect(await server.received(3)).toHaveLength(3);
    expect(outcomes()).toEqual(["error rate_limited quota 1"]);
  });

  test("ET-091 what is not limited is published although the answer is 429", async () => {
    await start({ keyQuotas: [quota(0, "attachment")] });
    const both = envelope({}, [{ type: "event" }, { message: "x" }], [{ type: "attachment", filename: "a.txt" }, "a"]);
    expect(await post(both)).toMatchObject({ status: 429, limits: "N:attachment:key:quota" });
    expect(await server.received(1)).toHaveLength(1);
    expect(outcomes()).toEqual(["attachment rate_limited quota 1"]);
  });

  test("ET-091 who is limited in another category is told so with what is taken", async () => {
    await start({ keyQuotas: [quota(0, "error")] });
    expect(await post(session)).toEqual({ status: 200, retryAfter: null, limits: "N:error:key:quota", code: null });
    expect(await post(envelope({}, [{ type: "client_report" }, {}]))).toMatchObject({ status: 200 });
  });

  test("ET-092 a limit of all categories names none; one of unknown items alone is not told", async () => {
    await start({ keyQuotas: [quota(1)] });
    await post(event());
    expect(await post(session)).toMatchObject({ status: 429, limits: "N::key:quota" });
    expect(await post(envelope({}, [{ type: "client_report" }, {}]))).toMatchObject({ status: 200 });
    await server.close();

    await start({ keyQuotas: [quota(0, "default")] });
    expect(await post(envelope({}, [{ type: "from_the_future" }, {}]))).toMatchObject({ status: 200 });
    expect(outcomes()).toEqual(["default rate_limited quota 1"]);
  });

  test("ET-090 key, project and instance have quotas of their own, and all of them hold", async () => {
    await start({ keyQuotas: [quota(1, "error")] });
    const { database } = server;
    await updateSettings(database, 1, { quotas: [quota(2, "error")] });
    await writeInstanceSettings(database, { quotas: [quota(3, "error")] });
    const other = await server.projects.createKey(1);
    const stranger = await server.projects.create("Another");
    const urlOf = (project: number, key: string) => `${server.url}/api/${project}/envelope/?sentry_key=${key}`;
    const ofOther = urlOf(1, other.publicKey);
    const ofStranger = urlOf(stranger.id, stranger.dsn.split("//")[1]?.split("@")[0] ?? "");
    // The new quotas are known as soon as the new project is.
    expect(await post("{}", ofStranger)).toMatchObject({ status: 200 });

    expect(await post(event())).toMatchObject({ status: 200, limits: "N:error:key:quota" });
    expect(await post(event())).toMatchObject({ status: 429, limits: "N:error:key:quota" });
    expect(await post(event(), ofOther)).toMatchObject({ status: 200, limits: "N:error:project:quota" });
    expect(await post(event(), ofOther)).toMatchObject({ status: 429, limits: "N:error:project:quota" });
    expect(await post(event(), ofStranger)).toMatchObject({ status: 200, limits: "N:error:organization:quota" });
    expect(await post(event(), ofStranger)).toMatchObject({ status: 429, limits: "N:error:organization:quota" });
    expect(await server.received(3)).toHaveLength(3);
  });

  test("ET-090 what holds many of what is counted is counted so; what cannot be read is not counted", async () => {
    await start({ keyQuotas: [quota(10, "log_item"), quota(1, "error")] });
    const logs = (count: number) => envelope({}, [{ type: "log", item_count: count }, {}]);
    expect(await post(logs(10))).toMatchObject({ status: 200, limits: "N:log_item:key:quota" });
    expect(await post(logs(5))).toMatchObject({ status: 429 });
    expect(await post(envelope({}, [{ type: "event" }, "{ no json"]))).toMatchObject({ status: 400 });
    expect(await post(event())).toMatchObject({ status: 200 });
    expect(outcomes()).toEqual(["log_item not_stored log 10", "log_item rate_limited quota 5", "error invalid json 1"]);
  });

  test("ET-405 refusals are counted by scope, category and reason", async () => {
    const metrics = createPrometheusMetrics();
    await start({ keyQuotas: [quota(0, "error")], metrics });
    await post(event());
    await post(event());
    expect((await metrics.exposition()).body).toContain(
      'signalbox_error_tracking_rate_limited_total{scope="key",category="error",reason="quota"} 2',
    );
  });

  test.each([
    [5, 0],
    [0, 1],
  ])(
    "ET-091 ET-092 the unmodified SDK for Node with a quota of %i sends nothing in vain after %i refusals",
    async (limit, refusals) => {
      await start({ keyQuotas: [quota(limit, "error")] });
      const program = fileURLToPath(new URL("../../../testing/sdk-apps/node-burst.mjs", import.meta.url));
      await run(process.execPath, [program, "12"], { env: { ...process.env, SENTRY_DSN: server.dsn() } });
      expect(await server.received(limit)).toHaveLength(limit);
      expect(outcomes().filter((outcome) => outcome.startsWith("error"))).toEqual(
        Array.from({ length: refusals }, () => "error rate_limited quota 1"),
      );
    },
  );
});

describe("disk", () => {
  test("ET-097 ET-012 from twice the minimum on attachments are refused, and everything at the minimum", async () => {
    let state: "ok" | "low" | "full" = "low";
    const metrics = createPrometheusMetrics();
    await start({ isDiskLow: () => state !== "ok", isDiskGuardActive: () => state === "full", metrics });
    const both = envelope({}, [{ type: "event" }, { message: "x" }], [{ type: "attachment", filename: "a.txt" }, "a"]);
    expect(await post(both)).toMatchObject({ status: 429, limits: "60:attachment:organization:backpressure" });
    expect((await server.received(1)).length).toBe(1);
    state = "full";
    expect(await post(both)).toEqual({
      status: 429,
      retryAfter: "60",
      limits: "60::organization:backpressure",
      code: "ET_DISK_FULL",
    });
    state = "ok";
    expect(await post(both)).toMatchObject({ status: 200 });
    expect(outcomes()).toEqual(["attachment rate_limited disk 1", "default rate_limited disk 1"]);
    for (const category of ["attachment", "error"])
      expect((await metrics.exposition()).body).toContain(
        `signalbox_error_tracking_rate_limited_total{scope="organization",category="${category}",reason="disk"} 1`,
      );
  });
});

describe("filters", () => {
  test("ET-098 ET-114 a filtered event is answered as if it were taken, counted, and kept by nobody", async () => {
    await start({ keyQuotas: [quota(1, "error")] });
    await updateSettings(server.database, 1, { filters: { ...noFilters, messages: ["hello*"] } });
    const { publicKey } = await server.projects.createKey(1);
    const url = `${server.url}/api/1/envelope/?sentry_key=${publicKey}`;
    const filtered = envelope(
      { event_id: "a".repeat(32) },
      [{ type: "attachment", filename: "a.txt" }, "a"],
      [{ type: "event" }, { message: "hello world" }],
    );
    const response = await fetch(url, { method: "POST", body: Buffer.from(filtered) });
    expect([response.status, await response.json()]).toEqual([200, { id: "a".repeat(32) }]);
    // What was filtered is not counted against any quota.
    expect(await post(eventEnvelope({ message: "bye" }), url)).toMatchObject({ status: 200 });
    expect(await server.received(1)).toHaveLength(1);
    expect(outcomes()[0]).toBe("error filtered message 1");
    expect(await blobKeys()).toEqual([]);
  });
});

describe("origins", () => {
  test("ET-027 ET-114 pages of origins that the key does not allow are refused; programs are no pages", async () => {
    server = await startIngestServer({
      prepare: (projects) =>
        projects.updateKey(1, 1, { allowedOrigins: ["https://*.shop.example", "http://localhost:*"] }),
    });
    const from = async (headers: Record<string, string>) => {
      const response = await fetch(server.envelopeUrl, { method: "POST", body: Buffer.from(event()), headers });
      await response.arrayBuffer();
      return [response.status, response.headers.get("x-sentry-error")];
    };
    expect(await from({ origin: "https://www.shop.example" })).toEqual([200, null]);
    expect(await from({ referer: "http://localhost:3000/basket" })).toEqual([200, null]);
    expect(await from({})).toEqual([200, null]);
    expect(await from({ origin: "https://shop.example.evil.example" })).toEqual([403, "ET_ORIGIN_REFUSED"]);
    expect(await from({ referer: "https://elsewhere.example/www.shop.example" })).toEqual([403, "ET_ORIGIN_REFUSED"]);
    expect(outcomes()).toEqual(["default filtered origin 1", "default filtered origin 1"]);
    const { publicKey } = await server.projects.rotateKey(1, 1, 0);
    const keys = await server.projects.keys(1);
    expect(keys.find((key) => key.publicKey === publicKey)?.allowedOrigins).toHaveLength(2);
  });
});

async function blobKeys(): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of server.blobs.list("")) keys.push(key);
  return keys;
}
