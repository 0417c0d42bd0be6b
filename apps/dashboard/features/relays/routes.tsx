import { Navigate, type RouteObject } from "react-router";

export const relaysRoutes: readonly RouteObject[] = [
  { path: "relays", element: <Navigate to="/relays/peers" replace /> },
  {
    path: "relays/peers",
    lazy: async () => ({ Component: (await import("./peer-list.js")).PeerList }),
  },
  {
    path: "relays/peers/:url",
    lazy: async () => ({ Component: (await import("./peer-page.js")).PeerPage }),
  },
  {
    path: "relays/repositories",
    lazy: async () => ({ Component: (await import("./repository-list.js")).RepositoryList }),
  },
  {
    path: "relays/repositories/:npub/:identifier",
    lazy: async () => ({ Component: (await import("./repository-page.js")).RepositoryPage }),
  },
];
