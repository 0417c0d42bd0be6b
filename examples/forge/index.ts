import type { Configure, EventStore } from "@signalbox/event-store";
import { pipelineCreated } from "./ci/pipeline-created.js";
import { runJobs } from "./ci/run-jobs.js";
import type { Forge } from "./forge.js";
import { headPipelineUpdated } from "./merge_requests/head-pipeline-updated.js";
import { updateHeadPipeline } from "./merge_requests/update-head-pipeline.js";
import { pipelinesOnboarded } from "./onboarding/pipelines-onboarded.js";
import { announceRepositories } from "./repositories/announce.js";
import { startTelemetry, type Telemetry } from "./telemetry.js";
import { makeTraffic } from "./traffic.js";

// A small code host in modules, for `signalbox serve --app`. `npm run demo` starts it.

let running: { readonly events: EventStore; readonly telemetry: Telemetry } | undefined;

function parts() {
  if (running === undefined) throw new Error("The forge does not run yet.");
  return running;
}

const forge: Forge = {
  events: () => parts().events,
  journeys: () => parts().telemetry.journeys,
  captureError: (error) => parts().telemetry.captureError(error),
};

/** Each module subscribes its own workers. */
export const configure: readonly Configure[] = [
  (registry) => registry.subscribe(updateHeadPipeline(forge), { to: pipelineCreated }),
  (registry) => registry.subscribe(runJobs(forge), { to: headPipelineUpdated }),
  (registry) =>
    registry.subscribe(pipelinesOnboarded(), {
      to: pipelineCreated,
      if: (event) => event.data.ref !== "refs/heads/main",
    }),
];

export interface ForgeContext {
  readonly eventStore: EventStore;
  readonly serverUrl: string;
  readonly relayUrl: string | undefined;
}

/** Begins the forge's day; resolves with what ends it. */
export async function start({ eventStore, serverUrl, relayUrl }: ForgeContext): Promise<() => Promise<void>> {
  const { FORGE_TOKEN: token = "", FORGE_DSN: dsn = "" } = process.env;
  const telemetry = startTelemetry({ serverUrl, token, dsn });
  running = { events: eventStore, telemetry };
  const end = new AbortController();
  const work = [makeTraffic(forge, end.signal)];
  if (relayUrl !== undefined) work.push(announceRepositories(relayUrl, end.signal));
  return async () => {
    end.abort();
    await Promise.allSettled(work);
    await telemetry.close();
  };
}
