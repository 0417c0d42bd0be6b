import { defineEvent } from "@signalbox/event-store";

export const mergeRequestOpened = defineEvent("merge_requests.opened", {
  description: "Somebody asks for a change to be merged.",
  owner: "code_review",
  category: "code_review",
  schema: {
    type: "object",
    properties: {
      merge_request_id: { type: "integer", description: "Number of the merge request." },
      draft: { type: "boolean", description: "Whether it is not ready yet." },
      reviewers: { type: "array", items: { type: "string" }, description: "Who is asked to look at it." },
    },
    required: ["merge_request_id", "draft"],
  },
  examples: [{ merge_request_id: 7, draft: false, reviewers: ["ada"] }],
});
