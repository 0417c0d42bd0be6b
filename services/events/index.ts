export { eventsAnalytics } from "./analytics-migrations.js";
