import { migrateAnalytics } from "@signalbox/analytics";
import type { Configure, EventStore } from "@signalbox/event-store";
import { createHttpServer, type Principal } from "@signalbox/http";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";
import { composeSystems, holdDataDirectory, openStores, type StartContext } from "./compose.js";
import type { ServerConfig } from "./config.js";
import { createHealth } from "./health.js";
import { analyticsMigrations } from "./migrations.js";
import { createShutdown } from "./shutdown.js";
import { publicUrl, urlOf } from "./stores.js";

export interface LocalOptions {
  readonly config: ServerConfig;
  /** Also opens the analytics store, which no other process may hold then. */
  readonly withAnalytics: boolean;
  /** Instead of what the systems register. */
  readonly configure?: readonly Configure[];
}

/** The systems on their stores inside this process, for a command: nothing listens, nothing is handled. */
export interface LocalSystems {
  readonly eventStore: EventStore;
  /** Has the routes that are not for intake; takes requests by `inject` from anybody. */
  readonly app: FastifyInstance;
  close(): Promise<void>;
}

const deadlineMs = 10_000;

export async function composeLocally({ config, withAnalytics, configure }: LocalOptions): Promise<LocalSystems> {
  const shutdown = createShutdown(systemClock, deadlineMs);
  const context: StartContext = {
    config,
    roles: new Set(withAnalytics ? ["dashboard"] : []),
    logger: silentLogger,
    metrics: noMetrics,
    clock: systemClock,
    signal: shutdown.signal,
    shutdown,
    health: createHealth(),
  };
  try {
    if (withAnalytics) await holdDataDirectory(context);
    const stores = await openStores(context);
    if (withAnalytics) await migrateAnalytics(stores.analytics, analyticsMigrations);
    const surroundings = {
      serverUrl: () => publicUrl(config),
      ownUrl: () => urlOf(config.listen),
      isDiskFull: () => false,
      isDiskLow: () => false,
    };
    const { running, eventStore } = await composeSystems(context, stores, surroundings, configure);
    shutdown.add(() => eventStore.stop({ deadlineMs: shutdown.remainingMs }));
    const app = await createHttpServer({
      authenticator: operatorOfThisMachine,
      rateLimits: false,
      schemaCompilation: "when-used",
    });
    shutdown.add(() => app.close());
    for (const { routes = [] } of running)
      for (const { role, plugin } of routes) if (role === "dashboard") await app.register(plugin);
    await app.ready();
    return { eventStore, app, close: () => shutdown.run() };
  } catch (error) {
    await shutdown.run().catch(() => {});
    throw error;
  }
}

/** Who may open the stores may do everything. */
const operator: Principal = {
  subject: "command line",
  issuer: "signalbox",
  scopes: new Set(["admin"]),
  tokenId: "command line",
  expiresAtMs: Number.POSITIVE_INFINITY,
};

const operatorOfThisMachine = {
  authenticate: async () => operator,
  isVerified: () => true,
};
