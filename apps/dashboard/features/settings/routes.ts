import type { RouteObject } from "react-router";

export const settingsRoutes: readonly RouteObject[] = [
  {
    path: "projects/:project/settings",
    lazy: async () => ({ Component: (await import("./project-settings.js")).ProjectSettings }),
  },
];
