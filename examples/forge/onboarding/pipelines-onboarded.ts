import { defineSubscriber, type PayloadOf } from "@signalbox/event-store";
import type { pipelineCreated } from "../ci/pipeline-created.js";

/** Notes that somebody has run a pipeline for the first time; the condition lets only first ones through. */
export function pipelinesOnboarded() {
  const onboarded = new Set<string>();
  return defineSubscriber<PayloadOf<typeof pipelineCreated>>("onboarding.pipelines_onboarded", {
    async handle(event, context) {
      const ref = event.data.ref ?? "";
      if (onboarded.has(ref)) context.ignored("this branch has run pipelines before");
      onboarded.add(ref);
    },
  });
}
