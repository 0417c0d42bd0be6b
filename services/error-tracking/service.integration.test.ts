import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHttpServer, createPrometheusMetrics, type Principal } from "@signalbox/http";
import type { JsonObject } from "@signalbox/sentry-protocol";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestSteps } from "./digest/digest-metrics.js";
import { rewriteIngestUrl } from "./http/ingest.js";
import { ip4Bits, makeMmdb } from "./testing/mmdb-file.js";
import { type OpenService, openService } from "./testing/open-service.js";
import { errorPayload, newEventId, receivedEvent } from "./testing/received-event.js";

let directory: string;
let engine: ClickHouseHttpServer;
let service: OpenService;
let app: FastifyInstance;
let dsn: URL;

const metrics = createPrometheusMetrics();

const open = (): Promise<OpenService> =>
  openService({
    metrics,
    database: { path: join(directory, "db") },
    analytics: { url: engine.url },
    limits: { leaseMs: 1000 },
    environment: {
      SIGNALBOX_ERROR_TRACKING_DIGEST_LINGER: "20ms",
      SIGNALBOX_ERROR_TRACKING_GEO_DATABASE: join(directory, "places.mmdb"),
    },
  });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "error-tracking-service-"));
  const place = { country: { iso_code: "DE" }, city: { names: { en: "Berlin" } } };
  await writeFile(join(directory, "places.mmdb"), makeMmdb([[ip4Bits("203.0.113.0", 24), place]]));
  engine = await startClickHouseHttp();
  service = await open();
  const project = await service.errorTracking.projects.create("Shop");
  dsn = new URL(project.dsn);
  app = await createHttpServer({ rewriteUrl: rewriteIngestUrl, rateLimits: false, authenticator: everyone });
  await app.register(service.errorTracking.ingest);
  await app.register(service.errorTracking.api);
  await app.ready();
  await service.eventStore.start();
});

afterAll(async () => {
  await app?.close();
  await service?.close();
  await engine?.stop();
  await rm(directory, { recursive: true, force: true });
});

const everyone = {
  authenticate: async (): Promise<Principal> => ({
    subject: "tester",
    issuer: "test",
    scopes: new Set(["admin"]),
    tokenId: "1",
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  }),
  isVerified: () => true,
};

async function send(payload: JsonObject, eventId = newEventId()): Promise<string> {
  const item = JSON.stringify(payload);
  const answer = await app.inject({
    method: "POST",
    url: `/api${dsn.pathname}/envelope/`,
    headers: { "x-sentry-auth": `Sentry sentry_version=7, sentry_key=${dsn.username}` },
    payload: `{"event_id":"${eventId}"}\n{"type":"event","length":${Buffer.byteLength(item)}}\n${item}\n`,
  });
  expect(answer.statusCode, answer.body).toBe(200);
  expect(answer.json()).toEqual({ id: eventId });
  return eventId;
}

async function get<T>(path: string): Promise<T> {
  const answer = await app.inject({ url: `/api/v1/projects/1${path}`, headers: { authorization: "Bearer x" } });
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json();
}

interface ListedError {
  readonly fingerprint: number;
  readonly title: string;
  readonly event_count: number;
}

const listed = async (word: string) => get<ListedError[]>(`/errors?query=${encodeURIComponent(word)}`);

/** Long enough for a busy machine. */
const patience = { timeout: 30_000, interval: 30 };

test("ET-141 users are located by the configured database", async () => {
  await send({ ...errorPayload("locate"), user: { ip_address: "203.0.113.9" } });
  await expect.poll(async () => (await listed("locate")).length, patience).toBe(1);
  const [issue] = await listed("locate");
  const events = () => get<{ payload: string }[]>(`/errors/${issue?.fingerprint}/events`);
  await expect.poll(async () => (await events()).length, patience).toBe(1);
  const [event] = await events();
  expect(JSON.parse(event?.payload ?? "{}").user.geo).toEqual({ country_code: "DE", city: "Berlin" });
});

test("two equal errors make one issue, another error makes a second, and the latest event has its frames", async () => {
  await send(errorPayload("pay"));
  const second = await send({ ...errorPayload("pay"), timestamp: Date.now() / 1000 + 1 });
  await send(errorPayload("ship"));
  await expect.poll(async () => (await listed("pay"))[0]?.event_count, patience).toBe(2);
  await expect.poll(async () => (await listed("ship"))[0]?.event_count, patience).toBe(1);
  const [issue] = await listed("pay");
  expect(issue?.title).toBe("ValueError: pay failed");
  await expect
    .poll(async () => {
      const latest = await app.inject({
        url: `/api/v1/projects/1/errors/${issue?.fingerprint}/events/latest`,
        headers: { authorization: "Bearer x" },
      });
      return latest.statusCode === 200 && latest.json().event_id;
    }, patience)
    .toBe(second);
  const latest = await get<{ payload: string }>(`/errors/${issue?.fingerprint}/events/latest`);
  expect(JSON.parse(latest.payload).exception.values[0].stacktrace.frames.at(-1)).toMatchObject({
    function: "pay",
    context_line: "  pay()",
    pre_context: ["def work():", "  check()"],
  });
});

test("ET-280 an event travels as one message with an id of its own; sending it again changes nothing", async () => {
  const eventId = await send(errorPayload("twice"));
  await send(errorPayload("twice"), eventId);
  await expect.poll(async () => (await listed("twice"))[0]?.event_count, patience).toBe(1);
  await send(errorPayload("twice"), eventId);
  await send(errorPayload("after twice"));
  await expect.poll(async () => (await listed("after"))[0]?.event_count, patience).toBe(1);
  expect((await listed("twice"))[0]?.event_count).toBe(1);
  const deliveries = await service.database.run<{ id: string }>("select id from event_deliveries where id like ?", [
    `%${eventId}%`,
  ]);
  expect(deliveries.rows.map(({ id }) => id)).toEqual([
    `et:1:${eventId}.error_tracking.digest/error_tracking.event_received`,
  ]);
});

test("ET-401 ET-403 ET-407 batches, steps, delays and inserts are measured, issues and groupings counted", async () => {
  await send(errorPayload("measured"));
  await expect.poll(async () => (await listed("measured"))[0]?.event_count, patience).toBe(1);
  const value = async (series: string): Promise<number> => {
    const { body } = await metrics.exposition();
    const line = body.split("\n").find((text) => text.startsWith(`signalbox_error_tracking_${series} `));
    return Number(line?.split(" ").at(-1));
  };
  // The list shows a count before its batch has come to its end.
  await expect.poll(() => value("visible_delay_seconds_count"), patience).toBeGreaterThan(0);
  for (const series of [
    "digest_batch_events_count",
    ...digestSteps.map((step) => `digest_duration_seconds_count{step="${step}"}`),
    'inserts_total{table="error_events",result="ok"}',
    'insert_rows_total{table="error_payloads",result="ok"}',
    'insert_duration_seconds_count{table="error_events",result="ok"}',
    'issues_total{change="created"}',
    'grouping_total{strategy="exception",version="1"}',
    'items_total{item_type="event",outcome="stored"}',
  ])
    expect(await value(series), series).toBeGreaterThan(0);
});

test("ET-286 an event that cannot be stored becomes a dead letter after three attempts, and the others are visible", async () => {
  await service.analytics.command("ALTER TABLE error_events ADD CONSTRAINT no_poison CHECK title NOT LIKE '%poison%'");
  try {
    const [poison] = await Promise.all([
      send(errorPayload("poison")),
      ...Array.from({ length: 10 }, () => send(errorPayload("healthy"))),
    ]);
    await expect.poll(async () => (await listed("healthy"))[0]?.event_count, patience).toBe(10);
    await expect.poll(async () => (await service.eventStore.dead.list()).letters.length, patience).toBe(1);
    const [letter] = (await service.eventStore.dead.list()).letters;
    expect(letter).toMatchObject({ reason: "exhausted", error: { code: "ET_EVENT_REFUSED" } });
    expect(letter?.attempts).toHaveLength(3);
    expect(JSON.stringify(letter)).toContain(poison);
  } finally {
    await service.analytics.command("ALTER TABLE error_events DROP CONSTRAINT no_poison");
  }
});

test("ET-286 an error that is marked as not worth repeating makes a dead letter at once", async () => {
  const received = receivedEvent({}, { content: "no JSON" });
  await service.eventStore.publish(received);
  const refused = async () =>
    (await service.eventStore.dead.list()).letters.filter((letter) => letter.id.includes(received.data.event_id));
  await expect.poll(async () => (await refused()).length, patience).toBe(1);
  const [letter] = await refused();
  expect(letter).toMatchObject({ reason: "refused", error: { code: "ET_JSON_INVALID" } });
  expect(letter?.attempts).toHaveLength(1);
});

test("PF-063 ET-283 while the analytics engine is away ingest goes on, and everything is there after it returned", async () => {
  await send(errorPayload("outage"));
  await expect.poll(async () => (await listed("outage"))[0]?.event_count, patience).toBe(1);
  const [issue] = await listed("outage");
  await engine.kill();
  for (let index = 0; index < 20; index++) await send(errorPayload("outage"));
  const answer = await app.inject({
    url: `/api/v1/projects/1/errors/${issue?.fingerprint}/events`,
    headers: { authorization: "Bearer x" },
  });
  expect(answer.statusCode).toBe(503);
  expect(answer.headers["retry-after"]).toBeDefined();
  await engine.restart();
  await expect
    .poll(async () => {
      const events = await app.inject({
        url: `/api/v1/projects/1/errors/${issue?.fingerprint}/events?limit=100`,
        headers: { authorization: "Bearer x" },
      });
      return events.statusCode === 200 ? events.json().length : events.statusCode;
    }, patience)
    .toBe(21);
  expect((await listed("outage"))[0]?.event_count).toBe(21);
  const { letters } = await service.eventStore.dead.list();
  expect(letters.filter((letter) => JSON.stringify(letter).includes("outage"))).toEqual([]);
});
