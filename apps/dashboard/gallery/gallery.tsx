import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "../app/app.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, RouterProvider, useSearchParams } from "react-router";
import { cssVariables, theme } from "../app/theme.js";
import { cases } from "./cases.js";

// Each component in each of its states, one at a time: `?case=NAME`. For tests; no part of what is served.

const root = document.getElementById("root");
if (root === null) throw new Error("The page has no root element.");

function Shown() {
  const [parameters] = useSearchParams();
  const name = parameters.get("case") ?? "";
  return (
    <main style={{ padding: 12 }}>
      <h1 style={{ fontSize: 15 }}>{name}</h1>
      <div key={name}>{cases[name]?.()}</div>
    </main>
  );
}

const router = createBrowserRouter([{ path: "*", element: <Shown /> }]);

createRoot(root).render(
  <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto">
    <Notifications position="bottom-right" />
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </MantineProvider>,
);

Object.assign(globalThis, {
  caseNames: Object.keys(cases),
  showCase: (name: string) => router.navigate(`/?case=${encodeURIComponent(name)}`),
});
