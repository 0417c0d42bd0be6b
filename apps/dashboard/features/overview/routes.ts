import type { RouteObject } from "react-router";

export const overviewRoutes: readonly RouteObject[] = [
  {
    path: "overview",
    lazy: async () => ({ Component: (await import("./overview.js")).Overview }),
  },
];
