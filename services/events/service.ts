import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import type { DispatchLog, EventStore } from "@signalbox/event-store";
import { buildCatalogue, type Catalogue } from "@signalbox/event-store/catalogue";
import type { StreamHub } from "@signalbox/http";
import {
  type Clock,
  createService,
  createServiceGroup,
  type Logger,
  type Metrics,
  type Service,
  type Timer,
} from "@signalbox/kernel";
import type { FastifyPluginAsync } from "fastify";
import { announceChanges } from "./announce-changes.js";
import { createDispatchLog } from "./dispatch-log.js";
import { createApi } from "./http/api.js";
import { createOperations, type Operations } from "./operations.js";
import { createSchemas, type Schemas } from "./schemas.js";

export interface EventsDependencies {
  readonly database: Database;
  readonly analytics: Analytics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly streams: StreamHub;
  /** Days for which the dispatch log is kept. */
  readonly dispatchLogDays: number;
}

/**
 * Seeing and operating an event store. In this order: migrate; make the event store with `dispatchLog`; `attach` it;
 * start `service`; register `api` on a server. Stop in the reverse order; the event store before `service`.
 */
export interface Events {
  readonly dispatchLog: DispatchLog;
  attach(eventStore: EventStore): void;
  readonly api: FastifyPluginAsync;
  /** Remembers schemas, looks for changes that listeners want to know of, forgets old operations. */
  readonly service: Service;
}

/** Operations stay for a year: longer than any dead letter that they speak of. */
const operationsKeptMs = 366 * 86_400_000;
const housekeepingMs = 3_600_000;

export function createEvents(dependencies: EventsDependencies): Events {
  const { database, analytics, clock, metrics, streams, dispatchLogDays } = dependencies;
  const logger = dependencies.logger.child("events");
  let attached: EventStore | undefined;
  let catalogue: Catalogue | undefined;
  const eventStore = (): EventStore => {
    if (attached === undefined) throw new Error("The event store is not attached yet.");
    return attached;
  };
  const schemas = createSchemas(database, clock);
  const operations = createOperations({ database, eventStore, clock, logger });
  const changes = announceChanges({ streams, eventStore, operations, clock, logger });
  return {
    dispatchLog: createDispatchLog({ analytics, retentionDays: dispatchLogDays, clock, logger, metrics }),
    attach(store) {
      attached = store;
    },
    api: createApi({
      eventStore,
      catalogue: () => {
        catalogue ??= buildCatalogue({ store: eventStore() });
        return catalogue;
      },
      analytics,
      operations,
      schemas,
      clock,
      changed: changes.look,
    }),
    service: createServiceGroup("events", [
      createKeeper({ schemas, operations, eventStore, clock, logger }),
      changes.service,
    ]),
  };
}

interface KeeperDependencies {
  readonly schemas: Schemas;
  readonly operations: Operations;
  readonly eventStore: () => EventStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

function createKeeper({ schemas, operations, eventStore, clock, logger }: KeeperDependencies): Service {
  let timer: Timer | undefined;
  let isStopped = false;
  const keepHouse = (): void => {
    operations
      .forget(clock.nowMs() - operationsKeptMs)
      .catch((error: unknown) => logger.warn("old operations could not be forgotten", { error }))
      .finally(() => {
        if (!isStopped) timer = clock.setTimer(housekeepingMs, keepHouse);
      });
  };
  return createService({
    name: "events keeper",
    async start() {
      await schemas.remember(eventStore().definitions);
      keepHouse();
    },
    async stop() {
      isStopped = true;
      timer?.cancel();
      await operations.idle();
    },
  });
}
