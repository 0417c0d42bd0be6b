import {
  createErrorTracking,
  errorTrackingAnalytics,
  errorTrackingMigrations,
  ingestErrors,
  projectErrors,
  readErrors,
} from "@signalbox/error-tracking";
import type { SystemDefinition } from "./system.js";

export const errorTracking: SystemDefinition = {
  name: "error tracking",
  migrations: [errorTrackingMigrations],
  analyticsMigrations: [errorTrackingAnalytics],
  catalogues: [ingestErrors, projectErrors, readErrors],

  create({ stores, clock, logger, metrics, config, roles, serverUrl, isDiskFull }) {
    const { configure, attach, service, ingest, api, projects } = createErrorTracking({
      ...stores,
      clock,
      logger,
      metrics,
      settings: config.errorTracking,
      serverUrl,
      isDiskGuardActive: isDiskFull,
    });
    return {
      configure,
      attach,
      service,
      routes: [
        { role: "ingest", plugin: ingest },
        { role: "dashboard", plugin: api },
      ],
      async announce() {
        const project = await projects.ensureDefault();
        return project && roles.has("ingest") ? [{ label: "DSN of default", value: project.dsn }] : [];
      },
    };
  },
};
