import { randomBytes } from "node:crypto";
import { type Clock, type Metrics, noMetrics, systemClock } from "@signalbox/kernel";
import type { FastifyPluginAsync } from "fastify";
import { RecentMessages } from "./recent-messages.js";
import type { Principal, Scope } from "./scopes.js";
import { StreamClient } from "./stream-client.js";
import { createStreamRoute } from "./stream-route.js";

export interface StreamHubOptions {
  readonly clock?: Clock;
  readonly metrics?: Metrics;
  /** How often something is sent to whoever listens, so that both sides notice a dead connection. Default 15,000. */
  readonly heartbeatMs?: number;
  /** How often the tokens of listeners are checked again. Default 5,000. */
  readonly recheckMs?: number;
  /** Messages kept for listeners that come back. Default 1,000, and 4 MiB of them. */
  readonly keptMessages?: number;
  readonly keptChars?: number;
  /** A listener that is further behind is dropped. Default 1 MiB. */
  readonly maxBehindBytes?: number;
  /** More listeners are refused. Default 1,000. */
  readonly maxClients?: number;
}

export interface TopicOptions {
  /** Who may listen: tokens with this scope, or with one of these. */
  readonly scope: Scope | readonly Scope[];
}

export interface ChangeOptions {
  /** Called with each listener's principal; default: everyone who may listen to the topic. Must be quick and not throw. */
  readonly visibleTo?: (principal: Principal) => boolean;
}

/** One kind of change. */
export interface StreamTopic {
  readonly name: string;
  /** True while somebody listens: what costs something to find out need not be found out otherwise. */
  readonly isListenedTo: boolean;
  /** Tells all listeners; returns at once and holds nothing up. `data` is JSON. */
  publish(data: unknown, options?: ChangeOptions): void;
}

/**
 * Server-sent events of all systems: each adds its topics and publishes changes to them, clients listen to some.
 *
 * Best effort by design: a change says that something is worth looking at, the API is where it is looked at. Messages
 * have ids; whoever comes back with the last one gets what was missed, or a `reset` when that is not known any more.
 * Changes of this process alone are seen.
 */
export interface StreamHub {
  /** @throws {Error} when the name is taken. */
  addTopic(name: string, options: TopicOptions): StreamTopic;
  /** `GET /api/v1/stream`. Register it on one server, after all topics were added. */
  readonly plugin: FastifyPluginAsync;
}

/** What the route needs to know of a topic. */
export interface KnownTopic {
  readonly scopes: readonly Scope[];
}

export function createStreamHub(options: StreamHubOptions = {}): StreamHub {
  const { clock = systemClock, metrics = noMetrics } = options;
  const topics = new Map<string, KnownTopic>();
  const clients = new Set<StreamClient>();
  const recent = new RecentMessages<Principal>(options.keptMessages ?? 1_000, options.keptChars ?? 4 * 1024 * 1024);
  // Ids of another process, or of this one before it was started again, mean nothing here.
  const epoch = randomBytes(6).toString("base64url");

  metrics.gauge({
    name: "signalbox_stream_clients",
    help: "Listeners to server-sent events.",
    collect: (gauge) => gauge.set(clients.size),
  });
  const ends = ["client", "slow", "token", "shutdown"] as const;
  const ended = metrics.counter({
    name: "signalbox_stream_ends_total",
    help: "Streams of server-sent events that ended: by the client, because it was slow, its token or the shutdown.",
    labels: ["reason"],
    known: ends.map((reason) => ({ reason })),
  });

  const publish = (topic: string, data: unknown, { visibleTo }: ChangeOptions = {}): void => {
    // JSON has no line breaks, which would end a field.
    const message = recent.add({ topic, data: JSON.stringify(data) ?? "null", visibleTo });
    for (const client of clients) client.offer(message);
  };

  return {
    addTopic(name, { scope }) {
      if (topics.has(name)) throw new Error(`There is a topic ${name} already.`);
      topics.set(name, { scopes: typeof scope === "string" ? [scope] : scope });
      return {
        name,
        get isListenedTo() {
          for (const client of clients) if (client.topics.has(name)) return true;
          return false;
        },
        publish: (data, changeOptions) => publish(name, data, changeOptions),
      };
    },

    plugin: createStreamRoute({
      topics,
      maxClients: options.maxClients ?? 1_000,
      count: () => clients.size,
      open(connection) {
        const client = new StreamClient({
          ...connection,
          clock,
          epoch,
          recent,
          heartbeatMs: options.heartbeatMs ?? 15_000,
          recheckMs: options.recheckMs ?? 5_000,
          maxBehindBytes: options.maxBehindBytes ?? 1024 * 1024,
          onEnd(reason) {
            clients.delete(client);
            ended.add(1, { reason });
          },
        });
        clients.add(client);
        client.begin();
      },
    }),
  };
}
