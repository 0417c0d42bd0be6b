import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import {
  type Configure,
  createEventStore,
  createSqlTransport,
  type EventStore,
  eventStoreErrors,
  eventStoreMigrations,
  type Limits,
} from "@signalbox/event-store";
import { createHttpServer, createStreamHub } from "@signalbox/http";
import { createTestTokens, type TestTokens } from "@signalbox/http/testing";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";
import { eventsMigrations } from "../migrations.js";
import { createSchemas, type Schemas } from "../schemas.js";
import { createEvents } from "../service.js";
import { openTestAnalytics } from "./open-analytics.js";

export interface TestEvents {
  readonly eventStore: EventStore;
  readonly app: FastifyInstance;
  readonly tokens: TestTokens;
  readonly schemas: Schemas;
  /** Writes what the dispatch log holds. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** The service as the server puts it together, on a database of its own; the event store is not started. */
export async function openTestEvents(
  analyticsUrl: string,
  configure: Configure,
  limits: Partial<Limits> = {},
): Promise<TestEvents> {
  const directory = await mkdtemp(join(tmpdir(), "events-"));
  const ports = { clock: systemClock, logger: silentLogger, metrics: noMetrics };
  const database = await openDatabase({ ...ports, path: join(directory, "db") });
  await migrate(database, [eventStoreMigrations, eventsMigrations]);
  const analytics = await openTestAnalytics(analyticsUrl);
  const streams = createStreamHub();
  const events = createEvents({ ...ports, database, analytics, streams, dispatchLogDays: 30 });
  const eventStore = createEventStore({
    ...ports,
    transport: createSqlTransport({ database, clock: systemClock, pollMs: 20 }),
    source: "/test",
    configure,
    dispatchLog: events.dispatchLog,
    errors: { condition: "report" },
    limits,
  });
  events.attach(eventStore);
  await events.service.start();
  const tokens = await createTestTokens();
  const app = await createHttpServer({
    authenticator: tokens.authenticator,
    rateLimits: false,
    openApi: { title: "test", version: "1", catalogues: [eventStoreErrors] },
  });
  await app.register(events.api);
  await app.register(streams.plugin);
  await app.ready();
  return {
    eventStore,
    app,
    tokens,
    schemas: createSchemas(database, systemClock),
    flush: () => events.dispatchLog.flush(),
    async close() {
      app.server.closeAllConnections();
      await app.close();
      await eventStore.stop({ deadlineMs: 5_000 });
      await events.service.stop();
      await analytics.close();
      await database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
