import type { Database } from "@signalbox/database";
import { rewriteIngestUrl } from "@signalbox/error-tracking";
import {
  type Authenticator,
  addHealthRoutes,
  createAuthenticator,
  createHttpServer,
  createHttpService,
  createLogins,
  createMetricsServer,
  createRevocations,
  createSessions,
  createTokenKey,
  type FamilySource,
  type HttpService,
  type IssuerOptions,
  type LoginOptions,
  type PrometheusMetrics,
} from "@signalbox/http";
import { errorCode, type ListenAddress, type StopOptions } from "@signalbox/kernel";
import type { StartContext } from "./compose.js";
import type { ServerConfig } from "./config.js";
import { dataPaths } from "./data-paths.js";
import { ServerError } from "./errors.js";
import { dashboardPages, notFoundPage } from "./pages.js";
import { type SystemRoutes, systems } from "./systems/index.js";
import { revokedTokenIds } from "./tokens.js";
import { version } from "./version.js";

/** Starts the listener of `/metrics` and the health checks and returns its address. It is the last one to stop. */
export async function createMetricsListener(
  context: StartContext,
  metrics: PrometheusMetrics,
  pages: ReadonlyMap<string, FamilySource>,
): Promise<string> {
  const { config, logger, clock, health, shutdown } = context;
  const service = await createMetricsServer({
    metrics,
    pages,
    checks: health.checks,
    ...config.metricsListen,
    logger,
    clock,
  });
  await listen(service, "metrics_listen", config.metricsListen);
  shutdown.add(() => service.stop({ deadlineMs: 1_000 }));
  return service.url;
}

/** The listener of ingest and API. */
export interface ApiListener {
  /** Begins to take requests and returns the address. */
  listen(): Promise<string>;
  /** Answers new requests with 503 from now on and waits for those under way, at most `limitMs`. */
  drain(limitMs: number): Promise<void>;
  stop(options: StopOptions): Promise<void>;
}

export async function createApiListener(
  context: StartContext,
  database: Database,
  routes: readonly SystemRoutes[],
): Promise<ApiListener> {
  const { config, roles, logger, metrics, clock, health } = context;
  const { http } = config;
  const isSecure = (): boolean => config.publicUrl?.startsWith("https:") ?? false;
  const sessions = createSessions({ isSecure, clock });
  const authenticator = await createTokenCheck(context, database);
  const app = await createHttpServer({
    logger,
    metrics,
    clock,
    authenticator,
    readToken: sessions.readToken,
    trustedProxies: http.trustedProxies,
    limits: {
      headersTimeoutMs: http.headersTimeoutMs,
      requestTimeoutMs: http.requestTimeoutMs,
      keepAliveTimeoutMs: http.keepAliveTimeoutMs,
    },
    rateLimits: {
      perAddress: { perSecond: http.rateLimits.addressPerSecond, burst: http.rateLimits.addressBurst },
      perToken: { perSecond: http.rateLimits.tokenPerSecond, burst: http.rateLimits.tokenBurst },
    },
    rewriteUrl: rewriteIngestUrl,
    notFoundPage: roles.has("dashboard") ? await notFoundPage() : undefined,
    onResponseMismatch: "report",
    schemaCompilation: "when-used",
    openApi: {
      title: "Signalbox",
      version,
      description: "The event backbone of a software forge.",
      catalogues: systems.flatMap(({ catalogues }) => catalogues),
      ...(config.publicUrl === undefined ? {} : { serverUrl: config.publicUrl }),
    },
  });
  context.tracing?.http(app);
  addHealthRoutes(app, { checks: health.checks, clock, logger });
  if (roles.has("dashboard")) {
    await app.register(sessions.routes);
    await app.register(
      createLogins({
        logins: config.auth.issuers.flatMap(toLogin),
        sessions,
        authenticator,
        publicUrl: () => config.publicUrl?.replace(/\/$/, ""),
        isSecure,
        logger,
      }),
    );
    await app.register(dashboardPages(logger));
  }
  for (const { role, plugin } of routes) if (roles.has(role)) await app.register(plugin);
  const service = createHttpService({ name: "api", app, ...config.listen, clock });
  return {
    async listen() {
      await listen(service, "listen", config.listen);
      return service.url;
    },
    async drain(limitMs) {
      app.beginShutdown();
      const limit = new AbortController();
      const tooLong = clock.sleep(limitMs, { signal: limit.signal }).catch(() => {});
      await Promise.race([app.shutdown.drained(), tooLong]);
      limit.abort();
    },
    stop: (options) => service.stop(options),
  };
}

/** @throws {ServerError} `LISTEN_FAILED` naming key and address */
async function listen(service: HttpService, key: string, { host, port }: ListenAddress): Promise<void> {
  try {
    await service.start();
  } catch (cause) {
    throw new ServerError("LISTEN_FAILED", {
      cause,
      message: `${key}: ${host}:${port} cannot be listened on (${errorCode(cause) ?? "unknown reason"})`,
    });
  }
}

async function createTokenCheck(context: StartContext, database: Database): Promise<Authenticator> {
  const { config, logger, metrics, clock } = context;
  const revocations = createRevocations({ load: () => revokedTokenIds(database, clock), clock, logger });
  return createAuthenticator({
    key: await createTokenKey(dataPaths(config).directory, logger),
    isRevoked: (tokenId) => revocations.isRevoked(tokenId),
    audiences: [config.auth.audience],
    // What producers of the forge ask their issuer for.
    systemAudiences: { "covered-experience-tracker": "experience:" },
    issuers: config.auth.issuers.map(toIssuer),
    clock,
    logger,
    metrics,
  });
}

/** Only issuers that know the dashboard by a name can log people in. */
function toLogin(entry: ServerConfig["auth"]["issuers"][number]): LoginOptions[] {
  const { issuer, clientId, clientSecret, label, loginScope } = entry;
  if (clientId === undefined) return [];
  return [
    {
      issuer,
      clientId,
      ...(clientSecret === undefined ? {} : { clientSecret: clientSecret.reveal() }),
      ...(label === undefined ? {} : { label }),
      scope: loginScope,
    },
  ];
}

function toIssuer(entry: ServerConfig["auth"]["issuers"][number]): IssuerOptions {
  return {
    issuer: entry.issuer,
    ...(entry.audience === undefined ? {} : { audience: entry.audience }),
    scopes: {
      claim: entry.scopeClaim,
      ...(entry.scopeMapping === undefined ? {} : { mapping: entry.scopeMapping }),
    },
  };
}
