export { createTimelineApi, type TimelineApiDependencies } from "./http/api.js";
