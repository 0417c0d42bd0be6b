import { type Analytics, AnalyticsError, migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import { type Blobs, createFileBlobs } from "@signalbox/blobs";
import { type Database, migrate } from "@signalbox/database";
import {
  type Configure,
  createEventStore,
  defaultLimits,
  type EventStore,
  type Limits,
  type Transport,
} from "@signalbox/event-store";
import { RelayError } from "@signalbox/git-relay";
import {
  createPrometheusMetrics,
  createStreamHub,
  type FamilySource,
  observeProcess,
  observeQueues,
  watchHealth,
} from "@signalbox/http";
import {
  type Clock,
  createDiskGuard,
  type DiskGuard,
  errorCode,
  errorMessage,
  isRetryable,
  type Logger,
  type Metrics,
  retry,
  systemClock,
} from "@signalbox/kernel";
import { createTimelineApi } from "@signalbox/timeline-service";
import { type Adapter, type BannerLine, describeStore } from "./banner.js";
import type { ServerConfig } from "./config.js";
import { type DirectoryLock, lockDataDirectory, makeDataDirectory } from "./data-directory.js";
import { dataPaths } from "./data-paths.js";
import { createHealth, type Health } from "./health.js";
import { createApiListener, createMetricsListener } from "./listeners.js";
import type { App } from "./load-app.js";
import { analyticsMigrations, databaseMigrations } from "./migrations.js";
import { hasAnalytics, needsStore, type Role } from "./roles.js";
import type { Shutdown } from "./shutdown.js";
import { openServerDatabase, urlOf } from "./stores.js";
import { appSystem } from "./systems/app.js";
import {
  type ServerSystem,
  type SystemContext,
  type SystemFamilies,
  type SystemRoutes,
  systems,
} from "./systems/index.js";
import { type ServerTracing, startTracing } from "./tracing/start-tracing.js";
import { describeTransport, openTransport } from "./transport.js";

export interface ServerOptions {
  readonly config: ServerConfig;
  readonly roles: ReadonlySet<Role>;
  readonly logger: Logger;
  /** Takes what has to happen at the end. When it begins, a start under way gives up. */
  readonly shutdown: Shutdown;
  readonly clock?: Clock;
  /** A program that runs in the server. */
  readonly app?: App | undefined;
  /** OpenTelemetry's variables are read from it. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface RunningServer {
  /** Where clients reach ingest and API; absent when no running role serves them. */
  readonly url: string | undefined;
  readonly metricsUrl: string;
  readonly adapters: readonly Adapter[];
  /** What the systems have to say to an operator. */
  readonly announcements: readonly BannerLine[];
}

/** What everything below needs to start. */
export interface StartContext {
  readonly config: ServerConfig;
  readonly roles: ReadonlySet<Role>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly shutdown: Shutdown;
  readonly health: Health;
  /** Absent: nothing is traced. */
  readonly tracing?: ServerTracing | undefined;
  /** A program that runs in the server. */
  readonly app?: App | undefined;
}

export interface Stores {
  readonly database: Database;
  readonly transport: Transport;
  readonly analytics: Analytics;
  readonly blobs: Blobs;
}

/** How long a database server that is itself still starting is waited for. */
const databasePatienceMs = 30_000;
const reconnect = { baseMs: 500, maxMs: 5_000 } as const;

/**
 * Starts the given roles: data directory, metrics, stores, services, subscribers, listener. The caller runs the shutdown,
 * also after a failure. This is the only place that chooses adapters.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config, roles, logger, shutdown, clock = systemClock } = options;
  const metrics = createPrometheusMetrics({ logger, clock });
  const health = createHealth();
  const tracing = await startTracing({ env: options.env ?? {}, handling: config.events.tracing, logger });
  const { signal } = shutdown;
  const { app } = options;
  const context: StartContext = { config, roles, logger, metrics, clock, signal, shutdown, health, tracing, app };
  shutdown.add(() => tracing?.stop());
  const lock = await holdDataDirectory(context);
  const metricsPages = new Map<string, FamilySource>();
  const metricsUrl = await createMetricsListener(context, metrics, metricsPages);
  const processMetrics = observeProcess(metrics);
  shutdown.add(() => processMetrics.stop());
  const disk = await startDiskGuard(context);
  const stores = await openStores(context);
  const { url, announcements } = await startSystems(context, stores, disk, (page, { name, source, inline }) => {
    metricsPages.set(page, source);
    if (inline) metrics.addSource(name, source);
  });
  lock?.announce({ url, metricsUrl });
  health.begin();
  return { url, metricsUrl, adapters: describeAdapters(context), announcements };
}

/** Embedded stores are for one process; roles that use only real servers may share a data directory. */
export async function holdDataDirectory(context: StartContext): Promise<DirectoryLock | undefined> {
  const { config, roles, logger, clock, signal, shutdown } = context;
  const { directory } = dataPaths(config);
  makeDataDirectory(directory);
  const usesSqlite = config.databaseUrl === undefined && needsStore(roles, "database");
  const usesChdb = config.clickhouseUrl === undefined && needsStore(roles, "analytics");
  if (!usesSqlite && !usesChdb) return undefined;
  const lock = await lockDataDirectory(directory, clock, signal).catch((error: unknown) => {
    throw roles.size === 1 && roles.has("relay") ? asRelayError(error) : error;
  });
  shutdown.add(() => lock.release());
  if (lock.crashed) {
    const { pid, startedAt } = lock.crashed;
    logger.warn("the server before this one ended without stopping; what it had acknowledged is on disk", {
      previous_pid: pid,
      previous_started_at: startedAt,
    });
  }
  return lock;
}

/** What the relay alone is refused for is one of its own errors. */
function asRelayError(error: unknown): unknown {
  if (errorCode(error) !== "DATA_DIRECTORY_HELD") return error;
  return new RelayError("RELAY_DATA_LOCKED", { cause: error, message: errorMessage(error) });
}

async function startDiskGuard({ config, clock, logger, metrics, shutdown }: StartContext): Promise<DiskGuard> {
  const { minFreeBytes } = config.storage;
  const guard = createDiskGuard({
    path: dataPaths(config).directory,
    ...(minFreeBytes === undefined ? {} : { minFreeBytes }),
    clock,
    logger,
    metrics,
  });
  await guard.start();
  shutdown.add(() => guard.stop());
  return guard;
}

export async function openStores(context: StartContext): Promise<Stores> {
  const { config, logger, clock, signal, shutdown, health, tracing } = context;
  const opened = await openDatabaseServer(context);
  shutdown.add(() => opened.close());
  const database = tracing?.database(opened) ?? opened;
  health.add("database", (checkSignal) => database.ping(checkSignal));
  await migrate(database, databaseMigrations, { logger });
  signal.throwIfAborted();

  const blobs = await createFileBlobs({ directory: dataPaths(config).blobs, clock });
  shutdown.add(() => blobs.close());

  const analytics = await openAnalyticsStore(context);
  shutdown.addEngine(() => analytics.close());
  signal.throwIfAborted();

  const transport = await openTransport(context, database);
  return { database, transport, analytics: tracing?.analytics(analytics) ?? analytics, blobs };
}

/** A database server often starts at the same time, so it is waited for. */
function openDatabaseServer({ config, logger, metrics, clock, signal }: StartContext): Promise<Database> {
  const untilMs = clock.monotonicMs() + databasePatienceMs;
  return retry(() => openServerDatabase(config, { logger, metrics, clock }), {
    ...reconnect,
    clock,
    signal,
    retryIf: (error) => isRetryable(error) && clock.monotonicMs() < untilMs,
    onRetry: (error, attempt) => logger.warn("the database does not answer yet", { error, attempt }),
  });
}

async function openAnalyticsStore({ config, roles, logger, metrics, clock }: StartContext): Promise<Analytics> {
  if (!hasAnalytics(roles, config)) return absentAnalytics;
  const { analytics: path } = dataPaths(config);
  return openAnalytics({ url: config.clickhouseUrl?.reveal(), path, logger, metrics, clock });
}

const refuse = (): Promise<never> => Promise.reject(new AnalyticsError("ANALYTICS_CLOSED"));

/** Stands where no running role ever asks the analytics store. */
const absentAnalytics: Analytics = {
  engine: "clickhouse",
  command: refuse,
  insert: refuse,
  query: refuse,
  ping: refuse,
  close: async () => {},
};

async function startSystems(
  context: StartContext,
  stores: Stores,
  disk: DiskGuard,
  showFamilies: (page: string, families: SystemFamilies) => void,
) {
  const { config, roles, shutdown } = context;
  let listeningUrl = urlOf(config.listen);
  const serverUrl = (): string => config.publicUrl?.replace(/\/+$/, "") ?? listeningUrl;
  // The public address may lead to another process, or nowhere from here.
  const ownUrl = (): string =>
    urlOf({ ...config.listen, port: config.listen.port || Number(new URL(listeningUrl).port) });
  const isDiskFull = (): boolean => disk.isFull();
  const isDiskLow = (): boolean => disk.state !== "ok";

  const { running, eventStore, routes } = await composeSystems(context, stores, {
    serverUrl,
    ownUrl,
    isDiskFull,
    isDiskLow,
  });
  await startEach(context, running, "service");
  for (const { families } of running) if (families) showFamilies(families.page, families);

  const listener = servesClients(roles) ? await createApiListener(context, stores.database, routes) : undefined;
  // Until everything has stopped, requests on open connections are told to come back later.
  shutdown.add(() => listener?.stop({ deadlineMs: shutdown.remainingMs }));
  shutdown.add(() => eventStore.stop({ deadlineMs: shutdown.remainingMs }));
  await startSubscribers(context, stores.analytics, eventStore);
  await startEach(context, running, "intake");
  shutdown.add(() => listener?.drain(shutdown.remainingMs / 2));
  if (listener) listeningUrl = await listener.listen();
  await startEach(context, running, "client");
  const announcements = await Promise.all(running.flatMap((system) => (system.announce ? [system.announce()] : [])));
  return { url: listener ? serverUrl() : undefined, announcements: announcements.flat() };
}

/** What the health routes tell anybody, whoever may look at anything may be told. */
const readScopes = ["errors:read", "experience:read", "events:read", "relay:read", "timeline:read"] as const;

/** The systems put together, none of them running: what every entrance to them shares. */
export interface ComposedSystems {
  readonly running: readonly ServerSystem[];
  readonly eventStore: EventStore;
  readonly routes: readonly SystemRoutes[];
}

/** @param configure instead of what the systems register */
export async function composeSystems(
  context: StartContext,
  stores: Stores,
  surroundings: Pick<SystemContext, "serverUrl" | "ownUrl" | "isDiskFull" | "isDiskLow">,
  configure?: readonly Configure[],
): Promise<ComposedSystems> {
  const { clock, metrics, logger, health } = context;
  const streams = createStreamHub({ clock, metrics });
  const topic = streams.addTopic("system.health", { scope: readScopes });
  const running: ServerSystem[] = [{ service: watchHealth({ topic, checks: health.checks, clock, logger }) }];
  const definitions = context.app === undefined ? systems : [...systems, appSystem(context.app)];
  for (const { create } of definitions) running.push(await create({ ...context, stores, streams, ...surroundings }));
  const eventStore = composeEventStore(context, stores, running, surroundings.serverUrl, configure);
  for (const system of running) system.attach?.(eventStore);
  const routes = running.flatMap((system) => system.routes ?? []);
  const sources = running.flatMap((system) => system.timeline ?? []);
  const timeline = createTimelineApi({ sources, clock, logger: context.logger });
  // Last, because every system has added its topics by then.
  const shared = [timeline, streams.plugin].map((plugin): SystemRoutes => ({ role: "dashboard", plugin }));
  return { running, eventStore, routes: [...routes, ...shared] };
}

async function startEach(
  { shutdown }: StartContext,
  running: readonly ServerSystem[],
  part: "service" | "intake" | "client",
): Promise<void> {
  for (const { [part]: service } of running) {
    if (!service) continue;
    shutdown.add(() => service.stop({ deadlineMs: shutdown.remainingMs }));
    await service.start();
  }
}

function servesClients(roles: ReadonlySet<Role>): boolean {
  return roles.has("ingest") || roles.has("tracker") || roles.has("dashboard");
}

function composeEventStore(
  { config, logger, metrics, clock, health, tracing }: StartContext,
  { transport, database, blobs }: Stores,
  running: readonly ServerSystem[],
  serverUrl: () => string,
  configure: readonly Configure[] = running.flatMap((system) => system.configure ?? []),
): EventStore {
  const { log, logData, typePrefix } = config.events;
  const dispatchLog = running.find((system) => system.dispatchLog)?.dispatchLog;
  const eventStore = createEventStore({
    transport,
    database,
    blobs,
    clock,
    logger: logger.child("event-store"),
    metrics,
    source: "/signalbox",
    configure,
    ...(dispatchLog && { dispatchLog }),
    typePrefix,
    schemaUri: (type, schemaVersion) => `${serverUrl()}/api/v1/events/schemas/${type}/v${schemaVersion}`,
    errors: { condition: "report" },
    log,
    logData,
    limits: limitsOf(config),
    ...(tracing && { tracing: tracing.events }),
  });
  if (!transport.database) health.add("outbox", () => eventStore.checkOutbox());
  observeQueues(
    metrics,
    [...new Set(eventStore.describe().subscriptions.map(({ subscriber }) => subscriber))].map((name) => ({
      queue: name,
      depth: async () => (await transport.depth(name)).ready,
      oldestAgeSeconds: async () => {
        const { oldestReadyMs } = await transport.depth(name);
        return oldestReadyMs === null ? 0 : Math.max(0, clock.nowMs() - oldestReadyMs) / 1000;
      },
    })),
  );
  return eventStore;
}

/** What of the section `events` bounds the store; the rest is for transport, logs and traces. */
function limitsOf({ events }: ServerConfig): Partial<Limits> {
  const names: readonly string[] = Object.keys(defaultLimits);
  return Object.fromEntries(Object.entries(events).filter(([name]) => names.includes(name)));
}

/**
 * Brings the analytics schema up to date, then lets the worker handle events. A ClickHouse server that is away does not
 * keep the others from starting: accepted events wait, and the worker begins once it answers.
 */
async function startSubscribers(context: StartContext, analytics: Analytics, eventStore: EventStore): Promise<void> {
  const { roles, logger, clock, signal, health } = context;
  if (!needsStore(roles, "analytics")) return;
  let migrated = false;
  health.add("analytics", async (checkSignal) => {
    await analytics.ping(checkSignal);
    if (!migrated) throw new AnalyticsError("ANALYTICS_UNAVAILABLE");
  });
  const begin = async (): Promise<void> => {
    await migrateAnalytics(analytics, analyticsMigrations, { logger, signal });
    migrated = true;
    if (roles.has("worker")) await eventStore.start();
  };
  try {
    await begin();
  } catch (error) {
    if (!isRetryable(error)) throw error;
    logger.warn("the analytics store does not answer yet; accepted events wait for it", { error });
    retry(begin, { ...reconnect, clock, signal }).then(
      () => logger.info("the analytics store answers, waiting events are handled"),
      (failure: unknown) => {
        if (!signal.aborted) logger.error("waiting events cannot be handled", { error: failure });
      },
    );
  }
}

function describeAdapters({ config, roles }: StartContext): Adapter[] {
  const adapters: Adapter[] = [
    describeStore("database", config.databaseUrl?.reveal(), "PostgreSQL", "SQLite"),
    describeTransport(config),
  ];
  if (needsStore(roles, "analytics"))
    adapters.push(describeStore("analytics", config.clickhouseUrl?.reveal(), "ClickHouse", "chDB"));
  if (roles.has("tracker") && config.experience.store === "redis")
    adapters.push(describeStore("journeys", config.redisUrl?.reveal(), "Redis", ""));
  return [...adapters, { port: "blobs", name: "files", embedded: true }];
}
