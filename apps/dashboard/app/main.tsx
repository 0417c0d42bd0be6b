import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./app.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, RouterProvider } from "react-router";
import { ApiError } from "../api/client.js";
import { noteRefusal } from "../api/session.js";
import { routes } from "./routes.js";
import { cssVariables, theme } from "./theme.js";

const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error) => noteRefusal(error, queries) }),
  mutationCache: new MutationCache({ onError: (error) => noteRefusal(error, queries) }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // Refusals stay refusals; what could not be reached may be there again.
      retry: (count, error) => count < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
    },
  },
});

const root = document.getElementById("root");
if (root === null) throw new Error("The page has no root element.");
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto">
      <Notifications position="bottom-right" />
      <QueryClientProvider client={queries}>
        <RouterProvider router={createBrowserRouter(routes)} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
