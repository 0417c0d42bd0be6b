import * as Sentry from "@sentry/node";
import { type Client, correlationTagger, createClient } from "@signalbox/experience-sdk";

/** What the modules of the forge report by: journeys by the SDK, errors by an unmodified Sentry SDK. */
export interface Telemetry {
  readonly journeys: Client;
  captureError(error: unknown): void;
  close(): Promise<void>;
}

export interface TelemetryOptions {
  readonly serverUrl: string;
  /** With the scope `experience:write`. */
  readonly token: string;
  readonly dsn: string;
}

/** Parts of the SDK that would watch the whole process, which is the server's here. */
const watchers = new Set([
  ...["OnUncaughtException", "OnUnhandledRejection", "ProcessSession", "ChildProcess", "Console"],
  ...["Http", "NodeFetch"],
]);

export function startTelemetry({ serverUrl, token, dsn }: TelemetryOptions): Telemetry {
  Sentry.init({
    dsn,
    release: "forge@1.4.2",
    environment: "demo",
    integrations: (all) => all.filter(({ name }) => !watchers.has(name)),
  });
  Sentry.addEventProcessor(correlationTagger());
  const journeys = createClient({ endpoint: serverUrl, token, type: "web", definitions: "remote" });
  return {
    journeys,
    captureError: (error) => void Sentry.captureException(error),
    async close() {
      await journeys.shutdown();
      await Sentry.close(2_000);
    },
  };
}
