import { eventStoreErrors } from "@signalbox/event-store";
import { createEvents, createEventTimelineSource, eventsAnalytics, eventsMigrations } from "@signalbox/events";
import type { SystemDefinition } from "./system.js";

export const events: SystemDefinition = {
  name: "events",
  migrations: [eventsMigrations],
  analyticsMigrations: [eventsAnalytics],
  catalogues: [eventStoreErrors],

  create({ stores, streams, clock, logger, metrics, config }) {
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
      dispatchLog,
      attach,
      service,
      routes: [{ role: "dashboard", plugin: api }],
      timeline: createEventTimelineSource(analytics),
    };
  },
};
