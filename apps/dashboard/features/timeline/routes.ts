import type { RouteObject } from "react-router";

export const timelineRoutes: readonly RouteObject[] = [
  {
    path: "timeline/:id?",
    lazy: async () => ({ Component: (await import("./timeline.js")).TimelinePage }),
  },
];
