import { defineSubscriber, type PayloadOf } from "@signalbox/event-store";
import type { mergeRequestOpened } from "../merge_requests/merge-request-opened.js";

/** Tells reviewers that somebody waits for them. */
export function notifyReviewers() {
  return defineSubscriber<PayloadOf<typeof mergeRequestOpened>>("notifications.notify_reviewers", {
    async handle(event, context) {
      const { reviewers = [] } = event.data;
      if (reviewers.length === 0) context.ignored("nobody was asked to review");
    },
  });
}
