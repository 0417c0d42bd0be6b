import type { RouteObject } from "react-router";

export const errorsRoutes: readonly RouteObject[] = [
  {
    path: "projects/:project/errors",
    lazy: async () => ({ Component: (await import("./issue-list.js")).IssueList }),
  },
  {
    path: "projects/:project/errors/:issue",
    lazy: async () => ({ Component: (await import("./issue-page.js")).IssuePage }),
  },
  {
    path: "projects/:project/releases",
    lazy: async () => ({ Component: (await import("./release-list.js")).ReleaseList }),
  },
  {
    path: "projects/:project/ledger",
    lazy: async () => ({ Component: (await import("./ledger-page.js")).LedgerPage }),
  },
];
