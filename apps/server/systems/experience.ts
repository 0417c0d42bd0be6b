import { experienceErrors } from "@signalbox/experience";
import {
  createExperienceTracker,
  createJourneyTimelineSource,
  createSqlStore,
  experienceAnalytics,
  experienceMigrations,
  trackerErrors,
} from "@signalbox/experience-tracker";
import type { SystemDefinition } from "./system.js";

export const experience: SystemDefinition = {
  name: "experience tracker",
  migrations: [experienceMigrations],
  analyticsMigrations: [experienceAnalytics],
  catalogues: [experienceErrors, trackerErrors],

  create({ stores, clock, logger, metrics, config, roles, health }) {
    const settings = config.experience;
    const tracker = createExperienceTracker({
      openStore: ({ rules, replica, publish }) =>
        createSqlStore({
          database: stores.database,
          clock,
          logger,
          rules,
          replica,
          // Where deliveries are rows of the same database, publishing is part of the step itself.
          ...(stores.transport.database === stores.database ? { publish } : {}),
        }),
      analytics: stores.analytics,
      clock,
      logger,
      metrics,
      settings,
    });
    const { configure, attach, routes, service, intake, sliFamilies } = tracker;
    const timeline = createJourneyTimelineSource({ analytics: stores.analytics, tenantClaim: settings.tenantClaim });
    if (!roles.has("tracker")) return { configure, attach, timeline };
    health.add("experiences", () => tracker.watch.check());
    return {
      configure,
      attach,
      service,
      intake,
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
