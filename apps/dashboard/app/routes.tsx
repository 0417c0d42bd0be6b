import type { RouteObject } from "react-router";
import { Navigate } from "react-router";
import { Broken } from "./broken.js";
import { NotFound } from "./not-found.js";
import { Shell } from "./shell.js";
import { Starting } from "./starting.js";

/** Each feature is a file of its own that is loaded when its first page is opened. */
export const routes: RouteObject[] = [
  {
    path: "/",
    element: <Shell />,
    errorElement: <Broken />,
    hydrateFallbackElement: <Starting />,
    children: [
      { index: true, element: <Navigate to="/overview" replace /> },
      {
        path: "overview",
        lazy: async () => ({ Component: (await import("../features/overview/overview.js")).Overview }),
      },
      {
        path: "projects/:project/errors",
        lazy: async () => ({ Component: (await import("../features/errors/issue-list.js")).IssueList }),
      },
      {
        path: "projects/:project/errors/:issue",
        lazy: async () => ({ Component: (await import("../features/errors/issue-page.js")).IssuePage }),
      },
      {
        path: "projects/:project/settings",
        lazy: async () => ({ Component: (await import("../features/settings/project-settings.js")).ProjectSettings }),
      },
      {
        path: "projects/:project/releases",
        lazy: async () => ({ Component: (await import("../features/errors/release-list.js")).ReleaseList }),
      },
      {
        path: "projects/:project/ledger",
        lazy: async () => ({ Component: (await import("../features/errors/ledger-page.js")).LedgerPage }),
      },
      {
        path: "experiences",
        lazy: async () => ({ Component: (await import("../features/experiences/experience-list.js")).ExperienceList }),
      },
      {
        path: "experiences/runs",
        lazy: async () => ({ Component: (await import("../features/experiences/run-list.js")).RunList }),
      },
      {
        path: "experiences/:experience",
        lazy: async () => ({ Component: (await import("../features/experiences/experience-page.js")).ExperiencePage }),
      },
      {
        path: "experiences/runs/:experience/:correlation/:run",
        lazy: async () => ({ Component: (await import("../features/experiences/run-page.js")).RunPage }),
      },
      { path: "relays", element: <Navigate to="/relays/peers" replace /> },
      {
        path: "relays/peers",
        lazy: async () => ({ Component: (await import("../features/relays/peer-list.js")).PeerList }),
      },
      {
        path: "relays/peers/:url",
        lazy: async () => ({ Component: (await import("../features/relays/peer-page.js")).PeerPage }),
      },
      {
        path: "relays/repositories",
        lazy: async () => ({ Component: (await import("../features/relays/repository-list.js")).RepositoryList }),
      },
      {
        path: "relays/repositories/:npub/:identifier",
        lazy: async () => ({ Component: (await import("../features/relays/repository-page.js")).RepositoryPage }),
      },
      {
        path: "timeline/:id?",
        lazy: async () => ({ Component: (await import("../features/timeline/timeline.js")).TimelinePage }),
      },
      { path: "events", element: <Navigate to="/events/queues" replace /> },
      {
        path: "events/queues",
        lazy: async () => ({ Component: (await import("../features/events/queues.js")).Queues }),
      },
      {
        path: "events/dead",
        lazy: async () => ({ Component: (await import("../features/events/dead-letters.js")).DeadLetters }),
      },
      {
        path: "events/catalogue",
        lazy: async () => ({ Component: (await import("../features/events/catalogue.js")).Catalogue }),
      },
      {
        path: "events/graph",
        lazy: async () => ({ Component: (await import("../features/events/graph-page.js")).GraphPage }),
      },
      { path: "events/log", lazy: async () => ({ Component: (await import("../features/events/log.js")).EventLog }) },
      {
        path: "events/:event",
        lazy: async () => ({ Component: (await import("../features/events/event-page.js")).EventPage }),
      },
      { path: "*", element: <NotFound /> },
    ],
  },
];
