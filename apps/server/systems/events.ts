import { eventStoreErrors } from "@signalbox/event-store";
import { createEvents, createEventTimelineSource } from "@signalbox/events";
import { hasAnalytics } from "../roles.js";
import type { SystemDefinition } from "./system.js";

export const events: SystemDefinition = {
  name: "events",
  catalogues: [eventStoreErrors],

  create({ stores, streams, clock, logger, metrics, config, roles }) {
    const { database, analytics } = stores;
    const { dispatchLogDays } = config.events;
    const { dispatchLog, attach, service, api } = createEvents({
      database,
      analytics,
      streams,
      clock,
      logger,
      metrics,
      dispatchLogDays,
    });
    return {
      // Where nothing takes its rows it would only gather them.
      ...(hasAnalytics(roles, config) && { dispatchLog }),
      attach,
      service,
      routes: [{ role: "dashboard", plugin: api }],
      timeline: createEventTimelineSource(analytics),
    };
  },
};
