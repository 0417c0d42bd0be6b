import { type Analytics, migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import {
  type Configure,
  createEventStore,
  createSqlTransport,
  type EventStore,
  eventStoreMigrations,
  type Limits,
  type Transport,
} from "@signalbox/event-store";
import {
  type Clock,
  defineSchema,
  type Logger,
  type Metrics,
  noMetrics,
  readConfig,
  silentLogger,
  systemClock,
} from "@signalbox/kernel";
import { type ErrorTrackingSettings, errorTrackingSection } from "../config.js";
import type { DigestStep } from "../digest/digest-metrics.js";
import { errorTrackingAnalytics } from "../migrations/analytics-migrations.js";
import { errorTrackingMigrations } from "../migrations/error-tracking-migrations.js";
import { createErrorTracking, type ErrorTracking } from "../service.js";

export interface OpenServiceOptions {
  /** SQLite file, or the URL of a PostgreSQL database. */
  readonly database: { readonly path: string } | { readonly url: string };
  /** Carries events instead of the database. */
  readonly transport?: Transport;
  /** Directory of chDB, or the URL of a server. */
  readonly analytics: { readonly path: string } | { readonly url: string };
  readonly blobs?: Blobs;
  readonly limits?: Partial<Limits>;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  /** Called after each step of each batch. */
  readonly onDigestStep?: (step: DigestStep) => void;
  /** Registered after the service's own. */
  readonly configure?: Configure;
  /** Variables of the configuration. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface OpenService {
  readonly database: Database;
  readonly analytics: Analytics;
  readonly eventStore: EventStore;
  readonly errorTracking: ErrorTracking;
  close(): Promise<void>;
}

/** Error tracking as the server puts it together, migrated, with the SQL transport; the event store is not started. */
export async function openService(options: OpenServiceOptions): Promise<OpenService> {
  const { clock = systemClock, logger = silentLogger, metrics = noMetrics } = options;
  const ports = { clock, logger, metrics };
  const database = await openDatabase({ ...ports, ...options.database });
  await migrate(database, [eventStoreMigrations, errorTrackingMigrations]);
  const analytics = await openAnalytics({ ...ports, ...options.analytics });
  await migrateAnalytics(analytics, [errorTrackingAnalytics]);
  const errorTracking = createErrorTracking({
    ...ports,
    database,
    analytics,
    settings: defaultSettings(options.environment),
    ...(options.blobs ? { blobs: options.blobs } : {}),
    serverUrl: () => "http://localhost:8787",
    ...(options.onDigestStep ? { onDigestStep: options.onDigestStep } : {}),
  });
  const eventStore = createEventStore({
    ...ports,
    transport: options.transport ?? createSqlTransport({ database, clock, logger }),
    database,
    source: "signalbox",
    configure: [errorTracking.configure, ...(options.configure ? [options.configure] : [])],
    ...(options.blobs ? { blobs: options.blobs } : {}),
    ...(options.limits ? { limits: options.limits } : {}),
  });
  errorTracking.attach(eventStore);
  await errorTracking.service.start();
  return {
    database,
    analytics,
    eventStore,
    errorTracking,
    async close() {
      await eventStore.stop({ deadlineMs: 10_000 });
      await errorTracking.service.stop();
      await analytics.close();
      await database.close();
    },
  };
}

function defaultSettings(environment: Readonly<Record<string, string>> = {}): ErrorTrackingSettings {
  const schema = defineSchema({ error_tracking: errorTrackingSection });
  return readConfig({ schema, env: environment }).values.errorTracking;
}
