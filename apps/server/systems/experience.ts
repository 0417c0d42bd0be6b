import type { EventStore } from "@signalbox/event-store";
import { experienceErrors } from "@signalbox/experience";
import {
  createExperienceTracker,
  createJourneyTimelineSource,
  createSqlStore,
  trackerErrors,
} from "@signalbox/experience-tracker";
import { ruleSettingsOf } from "@signalbox/experience-tracker/rules";
import { createTokenKey } from "@signalbox/http";
import { createEgressGuard, createServiceGroup } from "@signalbox/kernel";
import type { ServerConfig } from "../config.js";
import { dataPaths } from "../data-paths.js";
import { ServerError } from "../errors.js";
import type { SystemDefinition } from "./system.js";

export const experience: SystemDefinition = {
  name: "experience tracker",
  catalogues: [experienceErrors, trackerErrors],

  async create({ stores, streams, serverUrl, ownUrl, clock, logger, metrics, config, roles, health }) {
    const settings = config.experience;
    const { createRedisStore } =
      settings.store === "redis" ? await import("@signalbox/experience-tracker/redis-store") : {};
    const tracker = createExperienceTracker({
      openStore: ({ rules, replica, publish }) =>
        createRedisStore
          ? createRedisStore({
              url: redisUrl(config),
              prefix: settings.redisPrefix,
              shards: settings.redisShards,
              ack: settings.redisAck,
              clock,
              logger,
              rules,
              replica,
            })
          : createSqlStore({
              database: stores.database,
              clock,
              logger,
              rules,
              replica,
              // Where deliveries are rows of the same database, publishing is part of the step itself.
              ...(stores.transport.database === stores.database ? { publish } : {}),
            }),
      analytics: stores.analytics,
      database: stores.database,
      egress: createEgressGuard({ allowPrivate: config.egress.allowPrivate, clock }),
      serverUrl,
      self: {
        url: ownUrl,
        key: () => createTokenKey(dataPaths(config).directory),
        audience: config.auth.audience,
        // An engine inside the process has what this process handles itself.
        seesHistory: roles.has("worker") || stores.analytics.engine === "clickhouse",
      },
      clock,
      logger,
      metrics,
      settings,
      ruleSettings: ruleSettingsOf(config),
    });
    const { configure, attach, routes, service, storeService, intake, client, sliFamilies } = tracker;
    const timeline = createJourneyTimelineSource({ analytics: stores.analytics, tenantClaim: settings.tenantClaim });
    if (!roles.has("tracker")) {
      // Who writes history has to know which types take part in what.
      const needed = roles.has("worker") ? [storeService, tracker.definitions.service] : [storeService];
      return { configure, attach, timeline, service: createServiceGroup("experience history", needed) };
    }
    health.add("experiences", () => tracker.watch.check());
    const changes = ["experience.verdicts", "experience.open"].map((topic) =>
      streams.addTopic(topic, { scope: "experience:read" }),
    );
    return {
      configure,
      attach: (eventStore) =>
        attach(
          tellOf(eventStore, () => {
            for (const topic of changes) topic.publish({});
          }),
        ),
      service,
      intake,
      ...(client && { client }),
      timeline,
      routes: [{ role: "tracker", plugin: routes }],
      families: {
        name: "experience counters",
        page: "/metrics/experience",
        source: sliFamilies,
        inline: settings.sliMetrics === "inline",
      },
    };
  },
};

/** Everything that happens to a run is published; whose it was is left for the API to say. */
function tellOf(eventStore: EventStore, changed: () => void): EventStore {
  return Object.create(eventStore, {
    publishGroup: {
      async value(...args: Parameters<EventStore["publishGroup"]>) {
        const receipt = await eventStore.publishGroup(...args);
        changed();
        return receipt;
      },
    },
  });
}

/** @throws {ServerError} `REDIS_ADDRESS_MISSING` */
function redisUrl({ redisUrl: url }: ServerConfig): string {
  if (url === undefined) throw new ServerError("REDIS_ADDRESS_MISSING");
  return url.reveal();
}
