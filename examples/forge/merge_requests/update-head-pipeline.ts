import { defineSubscriber, type PayloadOf } from "@signalbox/event-store";
import { handleWithJourneys, publishWithJourneys } from "@signalbox/experience-sdk/event-store";
import type { pipelineCreated } from "../ci/pipeline-created.js";
import type { Forge } from "../forge.js";
import { headPipelineUpdated } from "./head-pipeline-updated.js";

interface PipelineConfiguration {
  readonly stages?: readonly string[];
}

/** Pipelines by branch. Somebody has forgotten the stages of one of them. */
const configurations: Readonly<Record<string, PipelineConfiguration>> = {
  "refs/heads/main": { stages: ["build", "test"] },
  "refs/heads/release": { stages: ["build", "test", "deploy"] },
  "refs/heads/new-runner": {},
};

/** Shows a new pipeline on its merge request. */
export function updateHeadPipeline({ journeys, events, captureError, leaveBreadcrumb, inRequest }: Forge) {
  return defineSubscriber<PayloadOf<typeof pipelineCreated>>("merge_requests.update_head_pipeline", {
    retry: { maxAttempts: 3, baseMs: 300, maxMs: 1_000 },
    async handle(event) {
      const { pipeline_id: pipelineId, ref = "refs/heads/main", author = "nobody" } = event.data;
      const update = handleWithJourneys(journeys(), async () => {
        const journey = journeys().resume("run_pipeline");
        leaveBreadcrumb("query", "SELECT head_pipeline_id FROM merge_requests", { ref });
        leaveBreadcrumb("pipeline", `Reading the configuration of ${ref}`, { pipeline_id: pipelineId });
        const jobs = countJobs(ref);
        journey.checkpoint("head_pipeline_updated", { jobs: String(jobs) });
        await publishWithJourneys(journeys(), () =>
          events().publish(headPipelineUpdated.create({ pipeline_id: pipelineId, jobs })),
        );
      });
      await inRequest("merge_requests.update_head_pipeline", async () => {
        try {
          await update();
        } catch (error) {
          captureError(error, {
            user: { id: author, email: `${author}@example.com` },
            tags: { ref },
            contexts: { pipeline: { id: pipelineId, ref } },
          });
          throw error;
        }
      });
    },
  });
}

function countJobs(ref: string): number {
  const configuration = configurations[ref] ?? {};
  return stagesOf(configuration).length;
}

function stagesOf(configuration: PipelineConfiguration): readonly string[] {
  if (configuration.stages === undefined) throw new TypeError("The configuration of the pipeline has no stages");
  return configuration.stages;
}
