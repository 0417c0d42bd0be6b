import { mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Blobs, createFileBlobs } from "@signalbox/blobs";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import {
  createEventStore,
  createSqlTransport,
  type DomainEvent,
  defineSubscriber,
  type EventStore,
  eventStoreMigrations,
  type SubscribeOptions,
  type Transport,
} from "@signalbox/event-store";
import { createHttpServer } from "@signalbox/http";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { type JsonObject, parseDsn, parseJsonObject } from "@signalbox/sentry-protocol";
import type { FastifyInstance } from "fastify";
import { unpackPayload } from "../digest/payload.js";
import type { EdgeOutcome } from "../edge/edge-outcomes.js";
import { createKeyCache } from "../edge/key-cache.js";
import { createQuotaWindows } from "../edge/quota-windows.js";
import { eventReceived } from "../events/event-received.js";
import { itemReceived, type ReceivedItems } from "../events/item-events.js";
import { createIngest, type IngestOptions, rewriteIngestUrl } from "../http/ingest.js";
import { errorTrackingMigrations } from "../migrations/error-tracking-migrations.js";
import { createProjects, type Projects } from "../projects/projects.js";

const ports = { logger: silentLogger, metrics: noMetrics, clock: systemClock };

export interface IngestServer {
  readonly app: FastifyInstance;
  readonly database: Database;
  readonly blobs: Blobs;
  readonly projects: Projects;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Of the project 1, with `prefix` in front of the project. */
  dsn(prefix?: string): string;
  readonly key: string;
  /** Where envelopes of the project 1 go, with the key in the query. */
  readonly envelopeUrl: string;
  readonly storeUrl: string;
  readonly outcomes: readonly EdgeOutcome[];
  /** What subscribers got so far, once `count` events are there. */
  received(count: number): Promise<readonly DomainEvent<unknown>[]>;
  /** The same for messages of items that are no events. */
  receivedItems(count: number): Promise<readonly ReceivedItems[]>;
  /** Resolves when subscribers have handled everything that was published. */
  idle(): Promise<void>;
  /** Deliveries in the transport's table, handled or not. */
  deliveries(): Promise<number>;
  /** Sends bytes as they are and resolves with what came back until the connection was closed, by either side. */
  raw(send: (write: (bytes: string | Uint8Array) => void, end: () => void) => void): Promise<string>;
  close(): Promise<void>;
}

export interface IngestServerOptions
  extends Partial<Omit<IngestOptions, "keys" | "windows" | "events" | "recordOutcome">> {
  readonly directory?: string;
  readonly trustedProxies?: readonly string[];
  readonly maxPending?: SubscribeOptions<unknown>["maxPending"];
  /** Changes what lies below the event store. */
  readonly wrapTransport?: (transport: Transport) => Transport;
  readonly withBlobs?: boolean;
  /** Called with the projects, the project 1 among them, before keys are read. */
  readonly prepare?: (projects: Projects) => Promise<unknown>;
  /** False: nobody is subscribed to what the edge publishes. */
  readonly withSubscriber?: boolean;
}

/** The edge on a real server, database and transport; what it publishes is collected instead of digested. */
export async function startIngestServer(options: IngestServerOptions = {}): Promise<IngestServer> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "ingest-")));
  const database = await openDatabase({ ...ports, path: join(directory, "db") });
  await migrate(database, [errorTrackingMigrations, eventStoreMigrations]);
  const blobs = await createFileBlobs({ directory: join(directory, "blobs") });
  let port = 0;
  const projects = createProjects({ database, clock: systemClock, serverUrl: () => `http://127.0.0.1:${port}` });
  await projects.ensureDefault();
  await options.prepare?.(projects);
  const keys = createKeyCache({ database, clock: systemClock, logger: silentLogger });
  await keys.service.start();
  const windows = createQuotaWindows({ database, clock: systemClock, logger: silentLogger });
  await windows.service.start();

  const received: DomainEvent<unknown>[] = [];
  const items: ReceivedItems[] = [];
  const collector = defineSubscriber("error_tracking.collect", {
    async handleBatch(events: readonly DomainEvent<unknown>[]) {
      received.push(...events.filter((event) => eventReceived.is(event)));
      items.push(...events.filter((event) => itemReceived.is(event)));
    },
  });
  const sqlTransport = createSqlTransport({ database, clock: systemClock });
  const events: EventStore = createEventStore({
    transport: options.wrapTransport ? options.wrapTransport(sqlTransport) : sqlTransport,
    database,
    blobs,
    source: "test",
    configure: (registry) => {
      registry.register(eventReceived);
      registry.register(itemReceived);
      if (options.withSubscriber === false) return;
      for (const to of [eventReceived, itemReceived])
        registry.subscribe(collector, {
          to,
          ...(options.maxPending === undefined ? {} : { maxPending: options.maxPending }),
        });
    },
  });
  if (options.maxPending === undefined) await events.start();

  const outcomes: EdgeOutcome[] = [];
  const app = await createHttpServer({
    rewriteUrl: rewriteIngestUrl,
    ...(options.trustedProxies ? { trustedProxies: options.trustedProxies } : {}),
  });
  const { withBlobs = true } = options;
  const ingest = createIngest({
    ...options,
    ...(withBlobs ? { blobs } : {}),
    keys,
    windows,
    events,
    recordOutcome: (outcome) => outcomes.push(outcome),
  });
  await app.register(ingest);
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  port = typeof address === "object" && address ? address.port : 0;
  const url = `http://127.0.0.1:${port}`;
  const [project] = await projects.list();
  const { key } = parseDsn(project?.dsn ?? "");

  const count = async (where: string): Promise<number> => {
    const { rows } = await database.run<{ n: number }>(`select count(*) as n from event_deliveries ${where}`);
    return rows[0]?.n ?? 0;
  };

  return {
    app,
    database,
    blobs,
    projects,
    url,
    key,
    dsn: (prefix = "") => `http://${key}@127.0.0.1:${port}${prefix}/1`,
    envelopeUrl: `${url}/api/1/envelope/?sentry_key=${key}`,
    storeUrl: `${url}/api/1/store/?sentry_key=${key}`,
    outcomes,
    received: (count) => untilThere(received, count),
    receivedItems: (count) => untilThere(items, count),
    async idle() {
      while ((await count("where state <> 3")) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    deliveries: () => count(""),
    raw: (send) =>
      new Promise((resolve, reject) => {
        const socket = createConnection({ host: "127.0.0.1", port });
        let answer = "";
        socket.on("data", (bytes) => {
          answer += bytes.toString("latin1");
        });
        socket.on("close", () => resolve(answer));
        socket.on("error", (error: NodeJS.ErrnoException) => {
          if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
        });
        socket.on("connect", () =>
          send(
            (bytes) => socket.write(bytes),
            () => socket.destroy(),
          ),
        );
      }),
    async close() {
      await app.close();
      await events.stop({ deadlineMs: 2000 });
      await windows.service.stop();
      await keys.service.stop();
      await blobs.close();
      await database.close();
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}

async function untilThere<T>(list: readonly T[], count: number): Promise<readonly T[]> {
  const deadline = Date.now() + 20_000;
  while (list.length < count && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  return list;
}

/** An envelope of items; a payload that is an object is written as JSON. */
export function envelope(
  header: object,
  ...items: readonly (readonly [header: object, payload: object | string | Uint8Array])[]
): Buffer {
  const parts: Uint8Array[] = [Buffer.from(JSON.stringify(header))];
  for (const [itemHeader, payload] of items) {
    const bytes =
      payload instanceof Uint8Array
        ? payload
        : Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
    parts.push(Buffer.from(`\n${JSON.stringify({ ...itemHeader, length: bytes.length })}\n`), bytes);
  }
  return Buffer.concat(parts);
}

/** An envelope with one event. */
export function eventEnvelope(event: object, header: object = {}): Buffer {
  return envelope(header, [{ type: "event" }, event]);
}

/** The data of an event that the edge published. */
export function dataOf(event: DomainEvent<unknown> | undefined) {
  if (!event || !eventReceived.is(event)) throw new TypeError("not an event of the edge");
  return event.data;
}

/** The event that an SDK sent, out of what the edge published. */
export function sentEvent(event: DomainEvent<unknown> | undefined): JsonObject {
  return parseJsonObject(unpackPayload(dataOf(event).payload));
}
