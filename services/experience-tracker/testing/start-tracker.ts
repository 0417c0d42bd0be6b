import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Analytics, migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { createEventStore, createSqlTransport, type EventStore, eventStoreMigrations } from "@signalbox/event-store";
import type { ExperienceStore } from "@signalbox/experience";
import {
  type Authenticator,
  createHttpServer,
  createMetricsServer,
  createPrometheusMetrics,
  type FamilySource,
  type Scope,
  type TokenKey,
} from "@signalbox/http";
import { createTestTokens } from "@signalbox/http/testing";
import {
  type Clock,
  createEgressGuard,
  createServiceGroup,
  defineSchema,
  type LogFields,
  type Logger,
  readConfig,
  systemClock,
  ulid,
} from "@signalbox/kernel";
import { experienceAnalytics } from "../analytics-migrations.js";
import { type ExperienceSettings, experienceSection } from "../config.js";
import { experienceMigrations } from "../migrations.js";
import { ruleSettingsOf } from "../rules/index.js";
import { createExperienceTracker, type ExperienceTracker, type StoreRequest } from "../service.js";
import { createSqlStore } from "../store/sql-store.js";

export interface TrackerUnderTest {
  /** `http://127.0.0.1:PORT/api/v1/experience` */
  readonly url: string;
  /** Of the metrics listener. */
  readonly metricsUrl: string;
  readonly tracker: ExperienceTracker;
  readonly eventStore: EventStore;
  readonly database: Database;
  readonly analytics: Analytics;
  readonly lines: readonly LogLine[];
  readonly definitionsDirectory: string;
  /** Signs tokens that it takes. */
  readonly key: TokenKey;
  define(id: string, content: object): Promise<void>;
  headers(...scopes: Scope[]): Promise<Record<string, string>>;
  /** Sends a checkpoint with the given fields, and what is required besides. */
  send(fields: Record<string, unknown>, headers?: Record<string, string>): Promise<Answer>;
  get(path: string, ...scopes: Scope[]): Promise<Answer>;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

export interface TrackerOptions {
  readonly directory?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  readonly authenticator?: Authenticator;
  /** Default: the SQLite database that the event store lives in too. */
  readonly openStore?: (request: StoreRequest, database: Database) => ExperienceStore;
  /** Whether history is written, to chDB. Default: events wait. */
  readonly withHistory?: boolean;
  /** A server that takes its place. */
  readonly analyticsUrl?: string;
  readonly withReaper?: boolean;
  /** Whether it sends journeys to itself. */
  readonly withCanary?: boolean;
  readonly corsOrigins?: string;
  /** What webhooks may call although it is not public. */
  readonly allowPrivate?: readonly string[];
}

export const definition = {
  description: "A user opens a merge request",
  feature_category: "code_review_workflow",
  urgency: "sync_fast",
} as const;

/** The tracker as the server puts it together, on a real listener. */
export async function startTracker(options: TrackerOptions = {}): Promise<TrackerUnderTest> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "tracker-")));
  const definitionsDirectory = join(directory, "definitions");
  await mkdir(definitionsDirectory, { recursive: true });
  const { logger, lines } = recordingLogger();
  const { clock = systemClock } = options;
  const metrics = createPrometheusMetrics({ clock });
  const ports = { clock, logger, metrics };
  const database = await openDatabase({ path: join(directory, "db") });
  await migrate(database, [eventStoreMigrations, experienceMigrations]);
  const { analyticsUrl } = options;
  const withHistory = options.withHistory || analyticsUrl !== undefined;
  const place = analyticsUrl === undefined ? { path: join(directory, "analytics") } : { url: analyticsUrl };
  const analytics = withHistory ? await openAnalytics(place) : noAnalytics;
  if (withHistory) await migrateAnalytics(analytics, [experienceAnalytics]);
  const define = (id: string, content: object): Promise<void> =>
    writeFile(join(definitionsDirectory, `${id}.yml`), JSON.stringify(content));
  await define("create_merge_request", definition);

  const settings = settingsOf({
    SIGNALBOX_EXPERIENCE_DEFINITIONS: definitionsDirectory,
    ...(options.withReaper === false ? { SIGNALBOX_EXPERIENCE_REAPER: "off" } : {}),
    ...(options.withCanary ? {} : { SIGNALBOX_EXPERIENCE_CANARY_INTERVAL_S: "0" }),
    ...options.environment,
  });
  const tokens = await createTestTokens();
  const app = await createHttpServer({ ...ports, authenticator: options.authenticator ?? tokens.authenticator });
  const tracker = createExperienceTracker({
    ...ports,
    openStore: (request) =>
      options.openStore?.(request, database) ?? createSqlStore({ database, clock, logger, ...request }),
    analytics,
    database,
    egress: createEgressGuard({ allowPrivate: options.allowPrivate ?? [], clock }),
    serverUrl: () => "https://signalbox.example",
    self: {
      url: () => app.listeningOrigin,
      key: async () => tokens.key,
      audience: "signalbox",
      seesHistory: withHistory,
    },
    settings,
    ruleSettings: ruleSettingsOf({ experience: settings, metricsListen: { host: "127.0.0.1", port: 9464 } }),
  });
  const eventStore = createEventStore({
    ...ports,
    database,
    transport: createSqlTransport({ database, clock, logger }),
    source: "signalbox",
    configure: [tracker.configure],
  });
  tracker.attach(eventStore);

  await app.register(tracker.routes);
  const pages = new Map<string, FamilySource>([["/metrics/experience", tracker.sliFamilies]]);
  if (settings.sliMetrics === "inline") metrics.addSource("experience counters", tracker.sliFamilies);
  const metricsServer = await createMetricsServer({ metrics, pages, checks: [], host: "127.0.0.1", port: 0 });
  const running = createServiceGroup("tracker under test", [
    tracker.service,
    { name: "event store", start: () => eventStore.start(), stop: () => eventStore.stop() },
    tracker.intake,
    metricsServer,
  ]);
  await running.start();
  const origin = await app.listen({ host: "127.0.0.1", port: 0 });
  await tracker.client?.start();
  const url = `${origin}/api/v1/experience`;
  const headers = (...scopes: Scope[]): Promise<Record<string, string>> => tokens.bearer(scopes);
  const writing = await headers("experience:write");

  return {
    url,
    metricsUrl: metricsServer.url,
    tracker,
    eventStore,
    database,
    analytics,
    lines,
    definitionsDirectory,
    key: tokens.key,
    define,
    headers,
    async send(fields, more = {}) {
      const response = await fetch(`${url}/checkpoints`, {
        method: "POST",
        headers: { "content-type": "application/json", ...writing, ...more },
        body: JSON.stringify(payload(fields)),
      });
      return answerOf(response);
    },
    async get(path, ...scopes) {
      const wanted: Scope[] = scopes.length > 0 ? scopes : ["experience:read"];
      return answerOf(await fetch(`${url}${path}`, { headers: await headers(...wanted) }));
    },
    async close() {
      await tracker.client?.stop({});
      app.server.closeAllConnections();
      await app.close();
      await running.stop();
      await database.close();
      await analytics.close();
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

/** A start of a new journey, changed by `fields`. */
export function payload(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    correlation_id: ulid(),
    covered_experience_id: "create_merge_request",
    checkpoint: "start",
    type: "web",
    feature_category: "code_review_workflow",
    urgency: "sync_fast",
    client_timestamp: new Date().toISOString(),
    ...fields,
  };
}

export function settingsOf(env: Readonly<Record<string, string>>): ExperienceSettings {
  return readConfig({ schema: defineSchema({ experience: experienceSection }), env }).values.experience;
}

export function recordingLogger(): { readonly logger: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: string) =>
    (message: string, fields?: LogFields): void =>
      void lines.push({ level, message, fields });
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
    isEnabled: () => true,
  };
  return { logger, lines };
}

const away = (): Promise<never> =>
  Promise.reject(
    Object.assign(new Error("no history in this test"), { code: "ANALYTICS_UNAVAILABLE", retryable: true }),
  );

const noAnalytics: Analytics = {
  engine: "clickhouse",
  command: away,
  insert: away,
  query: away,
  ping: away,
  close: async () => {},
};
