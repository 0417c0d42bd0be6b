import { defineEvent } from "@signalbox/event-store";

export const pipelineFinished = defineEvent("ci.pipeline_finished", {
  description: "All jobs of a pipeline have ended.",
  owner: "ci",
  category: "continuous_integration",
  // The first version counted whole seconds.
  version: 2,
  upcast: {
    1: ({ seconds, ...data }) => ({ ...data, ...(typeof seconds === "number" && { duration_ms: seconds * 1_000 }) }),
  },
  schema: {
    type: "object",
    properties: {
      pipeline_id: { type: "integer", description: "Number of the pipeline." },
      outcome: { type: "string", enum: ["passed", "failed"], description: "How it ended." },
      duration_ms: { type: "integer", description: "How long its jobs took, in milliseconds." },
    },
    required: ["pipeline_id", "outcome"],
  },
  examples: [{ pipeline_id: 42, outcome: "passed", duration_ms: 94_000 }],
});
