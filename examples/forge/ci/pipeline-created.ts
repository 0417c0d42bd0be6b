import { defineEvent } from "@signalbox/event-store";

export const pipelineCreated = defineEvent("ci.pipeline_created", {
  description: "A push has started a pipeline.",
  owner: "ci",
  category: "continuous_integration",
  sensitive: ["/author"],
  schema: {
    type: "object",
    properties: {
      pipeline_id: { type: "integer", description: "Number of the pipeline." },
      ref: { type: "string", description: "Branch or tag that it runs on." },
      author: { type: "string", description: "Who pushed." },
    },
    required: ["pipeline_id"],
  },
  examples: [{ pipeline_id: 42, ref: "refs/heads/main", author: "ada" }],
});
