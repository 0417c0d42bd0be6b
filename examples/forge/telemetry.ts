import { fileURLToPath } from "node:url";
import * as Sentry from "@sentry/node";
import { type Client, correlationTagger, createClient } from "@signalbox/experience-sdk";
import { withContext } from "@signalbox/kernel";
import type { ErrorDetails, Forge } from "./forge.js";
import { reportHistory } from "./history.js";

/** What the modules of the forge report by: journeys by the SDK, errors by an unmodified Sentry SDK. */
export interface Telemetry extends Pick<Forge, "captureError" | "leaveBreadcrumb" | "inRequest"> {
  readonly journeys: Client;
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
  ...["OnUncaughtException", "OnUnhandledRejection", "ProcessSession", "Console"],
  ...["Http", "NodeFetch"],
]);
const forgeFolder = fileURLToPath(new URL(".", import.meta.url));

export function startTelemetry({ serverUrl, token, dsn }: TelemetryOptions): Telemetry {
  Sentry.init({
    dsn,
    release: "forge@1.4.2",
    environment: "demo",
    serverName: "web-1",
    integrations: (all) => [
      ...all.filter(({ name }) => !watchers.has(name)),
      Sentry.rewriteFramesIntegration({ iteratee: nameFrame }),
    ],
  });
  Sentry.addEventProcessor(correlationTagger());
  const past = reportHistory();
  const journeys = createClient({ endpoint: serverUrl, token, type: "web", definitions: "remote" });
  return {
    journeys,
    captureError: (error, details = {}) => void Sentry.captureException(error, sentryHint(details)),
    leaveBreadcrumb: (category, message, data) =>
      Sentry.addBreadcrumb({ category, message, level: "info", ...(data ? { data } : {}) }),
    inRequest: (name, work) => withContext({ meta: { caller_id: name } }, () => Sentry.withIsolationScope(work)),
    async close() {
      await past;
      await journeys.shutdown();
      await Sentry.close(2_000);
    },
  };
}

/** Files are called as in the forge's folder; what stands elsewhere is a library, though it is linked and not installed. */
function nameFrame(frame: Sentry.StackFrame): Sentry.StackFrame {
  const path = frame.filename?.replace(/^file:\/\//, "");
  if (path === undefined) return frame;
  if (path.startsWith(forgeFolder)) frame.filename = path.slice(forgeFolder.length);
  else frame.in_app = false;
  return frame;
}

function sentryHint({ level, user, tags, contexts }: ErrorDetails) {
  return {
    ...(level ? { level } : {}),
    ...(user ? { user: { ...user } } : {}),
    ...(tags ? { tags: { ...tags } } : {}),
    ...(contexts
      ? { contexts: Object.fromEntries(Object.entries(contexts).map(([name, value]) => [name, { ...value }])) }
      : {}),
  };
}
