import { defineEvent } from "@signalbox/event-store";

/** Nobody publishes it any more; those who still listen elsewhere read here what to listen to instead. */
export const mergeRequestUpdated = defineEvent("merge_requests.updated", {
  description: "Something about a merge request is different.",
  owner: "code_review",
  category: "code_review",
  deprecated: { since: "2026-06-01", replacedBy: "merge_requests.head_pipeline_updated" },
  schema: {
    type: "object",
    properties: { merge_request_id: { type: "integer", description: "Number of the merge request." } },
    required: ["merge_request_id"],
  },
});
