import { Navigate, type RouteObject } from "react-router";

export const eventsRoutes: readonly RouteObject[] = [
  { path: "events", element: <Navigate to="/events/queues" replace /> },
  {
    path: "events/queues",
    lazy: async () => ({ Component: (await import("./queues.js")).Queues }),
  },
  {
    path: "events/dead",
    lazy: async () => ({ Component: (await import("./dead-letters.js")).DeadLetters }),
  },
  {
    path: "events/catalogue",
    lazy: async () => ({ Component: (await import("./catalogue.js")).Catalogue }),
  },
  {
    path: "events/graph",
    lazy: async () => ({ Component: (await import("./graph-page.js")).GraphPage }),
  },
  { path: "events/log", lazy: async () => ({ Component: (await import("./log.js")).EventLog }) },
  {
    path: "events/:event",
    lazy: async () => ({ Component: (await import("./event-page.js")).EventPage }),
  },
];
