import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHttpServer } from "@signalbox/http";
import { parseDsn } from "@signalbox/sentry-protocol";
import {
  type ClickHouseHttpServer,
  requireServers,
  startClickHouseHttp,
  startNats,
  startRedis,
} from "@signalbox/testing/servers";
import { openTransport } from "@signalbox/testing/transports";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { rewriteIngestUrl } from "./http/ingest.js";
import { readLedger } from "./ledger/read-ledger.js";
import { eventEnvelope } from "./testing/ingest-server.js";
import { type OpenService, openService } from "./testing/open-service.js";
import { errorPayload, newEventId } from "./testing/received-event.js";

let engine: ClickHouseHttpServer;
beforeAll(async () => {
  engine = await startClickHouseHttp();
});
afterAll(() => engine?.stop());

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const carriers = [
  { kind: "sql", program: undefined, start: async () => undefined },
  { kind: "jetstream", program: "nats-server", start: startNats },
  { kind: "bullmq", program: "redis-server", start: startRedis },
] as const;

interface Door {
  readonly service: OpenService;
  readonly projectId: number;
  send(eventId: string, text?: string): Promise<Response>;
  /** Something that is no event. */
  sendSession(): Promise<Response>;
}

async function open(kind: (typeof carriers)[number]["kind"], environment: Record<string, string>): Promise<Door> {
  const directory = await mkdtemp(join(tmpdir(), "error-transports-"));
  closers.push(() => rm(directory, { recursive: true, force: true }));
  const server = await carriers.find((carrier) => carrier.kind === kind)?.start();
  if (server) closers.push(() => server.stop());
  const path = join(directory, "db");
  const carrier = await openTransport({ kind, databasePath: path, ...(server ? { url: server.url } : {}) });
  closers.push(() => carrier.close());
  const service = await openService({
    database: { path },
    analytics: { url: engine.url },
    ...(kind === "sql" ? {} : { transport: carrier.transport }),
    environment: { SIGNALBOX_ERROR_TRACKING_DIGEST_LINGER: "10ms", ...environment },
  });
  closers.push(() => service.close());
  const app = await createHttpServer({ rewriteUrl: rewriteIngestUrl, rateLimits: false });
  await app.register(service.errorTracking.ingest);
  closers.push(() => app.close());
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const { id: projectId, dsn } = await service.errorTracking.projects.create("Shop");
  const address = `${url}/api/${projectId}/envelope/?sentry_key=${parseDsn(dsn).key}`;
  const post = (body: Uint8Array | string) => fetch(address, { method: "POST", body: Buffer.from(body) });
  return {
    service,
    projectId,
    send: (eventId, text = "") => post(eventEnvelope(errorPayload("full", { extra: { text } }), { event_id: eventId })),
    sendSession() {
      const session = { sid: newEventId(), started: new Date().toISOString(), status: "ok", attrs: { release: "r" } };
      return post(`{}\n{"type":"session"}\n${JSON.stringify(session)}`);
    },
  };
}

for (const { kind, program } of carriers) {
  const needed = requireServers(program === undefined ? [] : [program]);

  describe.skipIf(needed.skip)(needed.title(`ET-285 a full queue on ${kind}`), () => {
    test("ET-285 ET-012 beyond so many messages clients are told to wait, and what was taken is all there", async () => {
      const door = await open(kind, { SIGNALBOX_ERROR_TRACKING_QUEUE_MAX_MESSAGES: "5" });
      const taken = Array.from({ length: 5 }, () => newEventId());
      for (const id of taken) expect((await door.send(id)).status).toBe(200);
      const refused = await door.send(newEventId());
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "60"]);
      expect(refused.headers.get("x-sentry-rate-limits")).toBe("60::organization:backpressure");
      // What it has already is no more of it, and what waits elsewhere is no matter.
      expect((await door.send(taken[0] ?? "")).status).toBe(200);
      expect((await door.sendSession()).status).toBe(200);

      const { service, projectId } = door;
      await service.eventStore.start();
      const events = async () => {
        const [row] = await service.analytics.query<{ n: string }>(
          "SELECT count() AS n FROM error_events FINAL WHERE project_id = {project:UInt64} AND event_id IN {ids:Array(UUID)}",
          { project: projectId, ids: taken },
        );
        return Number(row?.n);
      };
      await expect.poll(events, { timeout: 30_000 }).toBe(5);
      await expect
        .poll(async () => (await door.send(newEventId())).status, { timeout: 30_000, interval: 200 })
        .toBe(200);
      const balance = async () => {
        const nowMs = Date.now();
        const query = {
          projectId,
          fromMs: nowMs - 3_600_000,
          toMs: nowMs,
          intervalMs: 3_600_000,
          groupBy: "key",
        } as const;
        const { total } = await readLedger(service.database, service.eventStore, query);
        return total.outcomes.get("rate_limited")?.get("backpressure") ?? 0;
      };
      await expect.poll(balance, { timeout: 30_000 }).toBeGreaterThanOrEqual(1);
    });

    test("ET-285 beyond so many bytes, too", async () => {
      const door = await open(kind, { SIGNALBOX_ERROR_TRACKING_QUEUE_MAX_BYTES: "1MiB" });
      const text = (): string => Array.from({ length: 2000 }, () => Math.random().toString(36)).join(" ");
      const statuses: number[] = [];
      while (statuses.length < 100 && statuses.at(-1) !== 429)
        statuses.push((await door.send(newEventId(), text())).status);
      expect(new Set(statuses)).toEqual(new Set([200, 429]));
      expect(statuses.length).toBeGreaterThan(10);
    });
  });
}
