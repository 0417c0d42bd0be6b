export { eventsAnalytics } from "./analytics-migrations.js";
export { eventsMigrations } from "./migrations.js";
export { createEvents, type Events, type EventsDependencies } from "./service.js";
export { createEventTimelineSource } from "./timeline-source.js";
