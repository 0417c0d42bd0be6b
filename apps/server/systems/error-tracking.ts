import {
  createErrorTimelineSource,
  createErrorTracking,
  ingestErrors,
  issueErrors,
  projectErrors,
  queryErrors,
  readErrors,
  ruleErrors,
} from "@signalbox/error-tracking";
import { allowsProject } from "@signalbox/http";
import { createServiceGroup } from "@signalbox/kernel";
import type { SystemDefinition } from "./system.js";

export const errorTracking: SystemDefinition = {
  name: "error tracking",
  catalogues: [ingestErrors, projectErrors, readErrors, issueErrors, queryErrors, ruleErrors],

  create({ stores, streams, clock, logger, metrics, config, roles, serverUrl, isDiskFull, isDiskLow }) {
    const issues = streams.addTopic("errors.issues", { scope: "errors:read" });
    const ledger = streams.addTopic("errors.ledger", { scope: "errors:read" });
    const { configure, attach, edge, upkeep, ingest, api, projects } = createErrorTracking({
      ...stores,
      clock,
      logger,
      metrics,
      settings: config.errorTracking,
      serverUrl,
      isDiskGuardActive: isDiskFull,
      isDiskLow,
      onLedgerChange(projectIds) {
        for (const id of projectIds)
          ledger.publish({ project_id: id }, { visibleTo: (principal) => allowsProject(principal, id) });
      },
      // What changed is left for the API to say, which knows whose it is.
      onDigestStep: (step) => step === "settle" && issues.publish({}),
    });
    return {
      configure,
      attach,
      service: createServiceGroup("error tracking", [
        ...(roles.has("ingest") ? [edge] : []),
        ...(roles.has("worker") ? [upkeep] : []),
      ]),
      timeline: createErrorTimelineSource(stores.analytics, stores.database),
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
