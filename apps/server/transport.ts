import type { Database } from "@signalbox/database";
import { createSqlTransport, type Transport } from "@signalbox/event-store";
import { isRetryable, retry } from "@signalbox/kernel";
import { type Adapter, describeStore } from "./banner.js";
import type { StartContext } from "./compose.js";
import type { ServerConfig } from "./config.js";
import { narrowPayload } from "./doctor/check-transport.js";
import { ServerError } from "./errors.js";

/** One thing that can carry domain events. The client of a broker is loaded where that broker is chosen. */
interface TransportChoice {
  describe(config: ServerConfig): Adapter;
  /** Makes it, and tells the health routes how it is asked for its state where the database does not answer for it. */
  create(context: StartContext, database: Database): Promise<Transport>;
  /** What an operator should know of it; looked at once it is open. */
  advise?(config: ServerConfig): Promise<string | undefined>;
}

/** One for each value of the key `transport`. */
const choices: Readonly<Record<ServerConfig["transport"], TransportChoice>> = {
  sql: sql(),
  jetstream: jetStream(),
  bullmq: bullmq(),
};

function sql(): TransportChoice {
  return {
    describe: ({ databaseUrl }) =>
      describeStore("transport", databaseUrl?.reveal(), "SQL on PostgreSQL", "SQL on SQLite"),
    create: async ({ config, clock, logger }, database) =>
      createSqlTransport({
        database,
        clock,
        logger: logger.child("transport"),
        pollMs: config.events.pollMs,
        repetitionWindowMs: config.events.publishDedupWindowMs,
      }),
  };
}

function jetStream(): TransportChoice {
  return {
    describe: ({ natsUrl }) => describeStore("transport", natsUrl?.reveal(), "NATS JetStream", "NATS JetStream"),
    async create({ config, clock, logger, health }, database) {
      const { natsUrl, events } = config;
      if (natsUrl === undefined) throw missing("nats_url", "SIGNALBOX_NATS_URL");
      const { createJetStreamTransport } = await import("@signalbox/event-store-jetstream");
      const transport = createJetStreamTransport({
        servers: natsUrl.reveal(),
        database,
        clock,
        logger: logger.child("transport"),
        maxBytes: events.jetstream.maxBytes,
        replicas: events.jetstream.replicas,
        partitions: events.partitions,
        repetitionWindowMs: events.publishDedupWindowMs,
      });
      health.add("transport", () => transport.ping());
      return transport;
    },
    async advise({ natsUrl }) {
      if (natsUrl === undefined) return undefined;
      const { examineJetStream } = await import("@signalbox/event-store-jetstream");
      return narrowPayload((await examineJetStream({ servers: natsUrl.reveal() })).maxPayloadBytes);
    },
  };
}

function bullmq(): TransportChoice {
  return {
    describe: ({ redisUrl }) => describeStore("transport", redisUrl?.reveal(), "BullMQ", "BullMQ"),
    async create({ config, clock, logger, health }) {
      const { redisUrl, events } = config;
      if (redisUrl === undefined) throw missing("redis_url", "SIGNALBOX_REDIS_URL");
      const { createBullmqTransport } = await import("@signalbox/event-store-bullmq");
      const transport = createBullmqTransport({
        url: redisUrl.reveal(),
        prefix: events.bullmq.prefix,
        allowVolatile: events.bullmq.allowVolatile,
        repetitionWindowMs: events.publishDedupWindowMs,
        clock,
        logger: logger.child("transport"),
      });
      health.add("transport", () => transport.ping());
      return transport;
    },
  };
}

function missing(key: string, variable: string): ServerError {
  return new ServerError("TRANSPORT_ADDRESS_MISSING", {
    message: `The chosen transport needs \`${key}\` (${variable})`,
    details: { key },
  });
}

/** How long a server that is itself still starting is waited for. */
const patienceMs = 30_000;
const reconnect = { baseMs: 500, maxMs: 5_000 } as const;

/** The transport of the configuration, open. */
export async function openTransport(context: StartContext, database: Database): Promise<Transport> {
  const { config, clock, logger, signal, shutdown } = context;
  const transport = await choices[config.transport].create(context, database);
  shutdown.add(() => transport.close());
  const untilMs = clock.monotonicMs() + patienceMs;
  await retry(() => transport.open(), {
    ...reconnect,
    clock,
    signal,
    retryIf: (error) => isRetryable(error) && clock.monotonicMs() < untilMs,
    onRetry: (error, attempt) => logger.warn("the transport does not answer yet", { error, attempt }),
  });
  const advice = await choices[config.transport].advise?.(config);
  if (advice !== undefined) logger.warn("the transport is not set up for the size of our events", { advice });
  return transport;
}

export function describeTransport(config: ServerConfig): Adapter {
  return choices[config.transport].describe(config);
}
