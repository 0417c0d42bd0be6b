import { setTimeout as sleep } from "node:timers/promises";
import { defineSubscriber, type PayloadOf } from "@signalbox/event-store";
import { handleWithJourneys, publishWithJourneys } from "@signalbox/experience-sdk/event-store";
import type { Forge } from "../forge.js";
import type { headPipelineUpdated } from "../merge_requests/head-pipeline-updated.js";
import { pipelineFinished } from "./pipeline-finished.js";

/** Runs the jobs of a pipeline, which ends the journey that the push began. */
export function runJobs({ journeys, events }: Forge) {
  return defineSubscriber<PayloadOf<typeof headPipelineUpdated>>("ci.run_jobs", {
    async handle(event) {
      const run = handleWithJourneys(journeys(), async () => {
        const startedMs = performance.now();
        const journey = journeys().resume("run_pipeline");
        for (let job = 1; job <= event.data.jobs; job++) {
          await sleep(200 + Math.random() * 600);
          journey.checkpoint(`job_${job}`);
        }
        journey.complete();
        const { pipeline_id: pipelineId } = event.data;
        await publishWithJourneys(journeys(), () =>
          events().publish(
            pipelineFinished.create({
              pipeline_id: pipelineId,
              outcome: pipelineId % 3 === 0 ? "failed" : "passed",
              duration_ms: Math.round(performance.now() - startedMs),
            }),
          ),
        );
      });
      await run();
    },
  });
}
