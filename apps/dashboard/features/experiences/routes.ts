import type { RouteObject } from "react-router";

export const experiencesRoutes: readonly RouteObject[] = [
  {
    path: "experiences",
    lazy: async () => ({ Component: (await import("./experience-list.js")).ExperienceList }),
  },
  {
    path: "experiences/runs",
    lazy: async () => ({ Component: (await import("./run-list.js")).RunList }),
  },
  {
    path: "experiences/:experience",
    lazy: async () => ({ Component: (await import("./experience-page.js")).ExperiencePage }),
  },
  {
    path: "experiences/runs/:experience/:correlation/:run",
    lazy: async () => ({ Component: (await import("./run-page.js")).RunPage }),
  },
];
