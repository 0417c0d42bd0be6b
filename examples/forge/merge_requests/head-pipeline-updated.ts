import { defineEvent } from "@signalbox/event-store";

export const headPipelineUpdated = defineEvent("merge_requests.head_pipeline_updated", {
  description: "A merge request shows the pipeline of its newest commit.",
  owner: "code_review",
  category: "code_review",
  schema: {
    type: "object",
    properties: {
      pipeline_id: { type: "integer", description: "Number of the pipeline." },
      jobs: { type: "integer", description: "How many jobs it has." },
    },
    required: ["pipeline_id", "jobs"],
  },
  examples: [{ pipeline_id: 42, jobs: 3 }],
});
