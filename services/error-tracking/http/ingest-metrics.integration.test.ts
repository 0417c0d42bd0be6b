import { Writable } from "node:stream";
import { gzipSync } from "node:zlib";
import { createPrometheusMetrics } from "@signalbox/http";
import { createLogger, type LogLevel } from "@signalbox/kernel";
import { afterEach, expect, test } from "vitest";
import {
  envelope,
  eventEnvelope,
  type IngestServer,
  type IngestServerOptions,
  startIngestServer,
} from "../testing/ingest-server.js";

const prefix = "signalbox_error_tracking_";

let server: IngestServer;
let metrics: ReturnType<typeof createPrometheusMetrics>;
let lines: Record<string, unknown>[];
afterEach(() => server.close());

async function start(level: LogLevel = "info", options: IngestServerOptions = {}): Promise<void> {
  metrics = createPrometheusMetrics();
  lines = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split("\n")) if (line !== "") lines.push(JSON.parse(line));
      done();
    },
  });
  server = await startIngestServer({ metrics, logger: createLogger({ level, destination }), ...options });
}

async function post(url: string, body: Uint8Array | string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(url, { method: "POST", body: Buffer.from(body), headers });
  await response.arrayBuffer();
  return response.status;
}

const at = (path: string): string => `${server.url}/api/1${path}?sentry_key=${server.key}`;

/** The value of a series; NaN when there is none. */
async function value(series: string): Promise<number> {
  const { body } = await metrics.exposition();
  const line = body.split("\n").find((text) => text.startsWith(`${prefix}${series} `));
  return Number(line?.split(" ").at(-1));
}

test("ET-400 requests are counted by route and status, whatever became of them", async () => {
  await start();
  expect(await post(server.envelopeUrl, eventEnvelope({ message: "one" }))).toBe(200);
  expect(await post(server.envelopeUrl, eventEnvelope({ message: "two" }))).toBe(200);
  expect(await post(server.envelopeUrl, "no envelope")).toBe(400);
  expect(await post(`${server.url}/api/1/envelope/`, eventEnvelope({}))).toBe(401);
  expect(await post(server.storeUrl, '{"message":"three"}')).toBe(200);
  expect((await fetch(`${at("/cron/nightly/")}&status=ok`)).status).toBe(202);
  expect((await fetch(at("/minidump/"))).status).toBe(405);
  for (const [route, status, count] of [
    ["envelope", 200, 2],
    ["envelope", 400, 1],
    ["envelope", 401, 1],
    ["store", 200, 1],
    ["cron", 202, 1],
    ["minidump", 405, 1],
  ] as const)
    await expect.poll(() => value(`requests_total{route="${route}",status="${status}"}`)).toBe(count);
});

test("ET-402 time and sizes are measured by route, before and after decompression", async () => {
  await start();
  const sent = eventEnvelope({ message: "x".repeat(5000) });
  const packed = gzipSync(sent);
  expect(await post(server.envelopeUrl, packed, { "content-encoding": "gzip" })).toBe(200);
  // In chunks, so that nobody says how long it is.
  const stored = Buffer.from(JSON.stringify({ message: "y".repeat(3000) }));
  const response = await fetch(server.storeUrl, {
    method: "POST",
    body: new ReadableStream({
      start(controller) {
        controller.enqueue(stored);
        controller.close();
      },
    }),
    duplex: "half",
  });
  expect(response.status).toBe(200);
  expect(await post(at("/envelope/"), "no envelope")).toBe(400);
  await expect.poll(() => value('ingest_duration_seconds_count{route="envelope"}')).toBe(2);
  await expect.poll(() => value('ingest_duration_seconds_count{route="store"}')).toBe(1);
  expect(await value('ingest_duration_seconds_sum{route="envelope"}')).toBeGreaterThan(0);
  expect(await value('publish_duration_seconds_count{route="envelope"}')).toBe(1);
  expect(await value('publish_duration_seconds_count{route="store"}')).toBe(1);
  expect(await value('request_bytes_sum{route="envelope"}')).toBe(packed.length + "no envelope".length);
  expect(await value('envelope_bytes_sum{route="envelope"}')).toBe(sent.length + "no envelope".length);
  expect(await value('request_bytes_sum{route="store"}')).toBe(stored.length);
  expect(await value('envelope_bytes_sum{route="store"}')).toBe(stored.length);
});

test("ET-401 items that end at the edge are counted by type and outcome; invented types share one name", async () => {
  await start();
  const items = [
    [{ type: "event" }, { message: "x" }],
    [{ type: "event" }, { message: "a second one" }],
    [{ type: "log", item_count: 3 }, {}],
    [{ type: "made_up_1" }, {}],
    [{ type: "made_up_2" }, {}],
  ] as const;
  expect(await post(server.envelopeUrl, envelope({}, ...items))).toBe(200);
  expect(await post(server.envelopeUrl, eventEnvelope([]))).toBe(400);
  for (const [itemType, outcome, count] of [
    ["event", "invalid", 2],
    ["log", "not_stored", 3],
    ["other", "not_stored", 2],
  ] as const)
    expect(await value(`items_total{item_type="${itemType}",outcome="${outcome}"}`)).toBe(count);
  expect((await metrics.exposition()).body).not.toContain("made_up");
});

/** What must be in no line and no label. */
const secrets = ["hunter2", "ann@example.com", "203.0.113.9"];
const secretEvent = () =>
  eventEnvelope({
    message: `the password is ${secrets[0]}`,
    user: { email: secrets[1], ip_address: secrets[2] },
    tags: { team: secrets[0] },
    release: secrets[0],
  });
const headers = { "x-forwarded-for": "203.0.113.9", "x-correlation-id": "01JZZZZZZZZZZZZZZZZZZZZZZZ" };

function expectNoSecrets(text: string): void {
  for (const secret of [...secrets, server.key]) expect(text).not.toContain(secret);
}

test("ET-410 an accepted request is a line for debugging, a refused one says why, and neither what was in it", async () => {
  await start("debug", { trustedProxies: ["127.0.0.1"] });
  const auth = { ...headers, "x-sentry-auth": `Sentry sentry_key=${server.key}, sentry_client=shop.sdk/1.2` };
  const accepted = secretEvent();
  expect(await post(`${server.url}/api/1/envelope/`, accepted, auth)).toBe(200);
  const refused = envelope({}, [{ type: "event" }, `{"password":"${secrets[0]}`]);
  expect(await post(`${server.url}/api/1/envelope/`, refused, auth)).toBe(400);
  await expect.poll(() => lines.filter(({ msg }) => String(msg).startsWith("ingest request"))).toHaveLength(2);
  const common = {
    component: "ingest",
    key_id: "1",
    client: "shop.sdk",
    correlation_id: headers["x-correlation-id"],
  };
  const said = (msg: string) => lines.find((line) => line["msg"] === msg);
  expect(said("ingest request accepted")).toMatchObject({
    ...common,
    level: "debug",
    route: "envelope",
    status: 200,
    request_bytes: accepted.length,
    envelope_bytes: accepted.length,
  });
  expect(said("ingest request refused")).toMatchObject({
    ...common,
    level: "info",
    status: 400,
    code: "ET_JSON_INVALID",
    request_bytes: refused.length,
  });
  expectNoSecrets(JSON.stringify(lines));
});

test("ET-410 of one reason no more than ten lines are written in a second, and none of what is taken", async () => {
  await start();
  const refusals = 60;
  const startedMs = performance.now();
  for (let sent = 0; sent < refusals; sent++) await post(server.envelopeUrl, `no envelope ${secrets[0]}`, headers);
  const seconds = Math.floor((performance.now() - startedMs) / 1000) + 2;
  await post(server.envelopeUrl, secretEvent(), headers);
  const refused = lines.filter(({ code }) => code === "ET_ENVELOPE_MALFORMED");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThanOrEqual(10 * seconds);
  expect(lines).toHaveLength(refused.length);
  expectNoSecrets(JSON.stringify(lines));
});

const labelNames = new Set(["route", "status", "item_type", "outcome", "scope", "category", "reason", "le"]);

test("ET-410 no label carries data of projects, users or events", async () => {
  await start();
  await post(server.envelopeUrl, secretEvent(), headers);
  await post(
    server.envelopeUrl,
    envelope({}, [{ type: secrets[0] ?? "" }, {}], [{ type: "event" }, "no JSON"]),
    headers,
  );
  await post(`${server.url}/api/1/${secrets[0]}/`, "x", headers);
  await fetch(`${at(`/cron/${secrets[0]}/`)}&status=ok`);
  const { body } = await metrics.exposition();
  const own = body.split("\n").filter((line) => line.startsWith(prefix));
  expect(own.length).toBeGreaterThan(10);
  expectNoSecrets(own.join("\n"));
  for (const line of own)
    for (const [, name = ""] of line.matchAll(/[{,]([a-z_]+)="/g)) expect(labelNames, line).toContain(name);
});
