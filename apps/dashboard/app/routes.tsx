import { Navigate, type RouteObject } from "react-router";
import { errorsRoutes } from "../features/errors/routes.js";
import { eventsRoutes } from "../features/events/routes.js";
import { experiencesRoutes } from "../features/experiences/routes.js";
import { overviewRoutes } from "../features/overview/routes.js";
import { relaysRoutes } from "../features/relays/routes.js";
import { settingsRoutes } from "../features/settings/routes.js";
import { timelineRoutes } from "../features/timeline/routes.js";
import { Broken } from "./broken.js";
import { NotFound } from "./not-found.js";
import { Shell } from "./shell.js";
import { Starting } from "./starting.js";

/** Each feature says itself which addresses it answers; its pages are loaded when the first of them is opened. */
export const routes: RouteObject[] = [
  {
    path: "/",
    element: <Shell />,
    errorElement: <Broken />,
    hydrateFallbackElement: <Starting />,
    children: [
      { index: true, element: <Navigate to="/overview" replace /> },
      ...overviewRoutes,
      ...errorsRoutes,
      ...settingsRoutes,
      ...experiencesRoutes,
      ...relaysRoutes,
      ...timelineRoutes,
      ...eventsRoutes,
      { path: "*", element: <NotFound /> },
    ],
  },
];
