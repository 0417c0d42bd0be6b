import type { Configure, EventStore } from "@signalbox/event-store";
import { pipelineCreated } from "./ci/pipeline-created.js";
import { pipelineFinished } from "./ci/pipeline-finished.js";
import { runJobs } from "./ci/run-jobs.js";
import type { Forge } from "./forge.js";
import { headPipelineUpdated } from "./merge_requests/head-pipeline-updated.js";
import { mergeRequestOpened } from "./merge_requests/merge-request-opened.js";
import { mergeRequestUpdated } from "./merge_requests/merge-request-updated.js";
import { updateHeadPipeline } from "./merge_requests/update-head-pipeline.js";
import { notifyReviewers } from "./notifications/notify-reviewers.js";
import { tellAuthor } from "./notifications/tell-author.js";
import { pipelinesOnboarded } from "./onboarding/pipelines-onboarded.js";
import { announceRepositories } from "./repositories/announce.js";
import { startNeighbour } from "./repositories/neighbour.js";
import { indexMergeRequest } from "./search/index-merge-request.js";
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
  captureError: (error, details) => parts().telemetry.captureError(error, details),
  inRequest: (name, work) => parts().telemetry.inRequest(name, work),
  leaveBreadcrumb: (category, message, data) => parts().telemetry.leaveBreadcrumb(category, message, data),
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
  (registry) => registry.subscribe(tellAuthor(forge), { to: pipelineFinished }),
  (registry) => registry.subscribe(notifyReviewers(), { to: mergeRequestOpened, if: (event) => !event.data.draft }),
  (registry) => registry.subscribe(indexMergeRequest(), { to: mergeRequestOpened }),
  (registry) => void registry.register(mergeRequestUpdated),
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
  const neighbour =
    relayUrl === undefined ? undefined : await startNeighbour(relayUrl, end.signal).catch(() => undefined);
  if (relayUrl !== undefined) {
    // Nobody listens at the second address: some relay is always away.
    const others = neighbour === undefined ? [] : [neighbour.url, "ws://127.0.0.1:9"];
    work.push(announceRepositories(relayUrl, others, end.signal));
  }
  return async () => {
    end.abort();
    neighbour?.close();
    await Promise.allSettled(work);
    await telemetry.close();
  };
}
