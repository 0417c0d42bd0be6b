import { defineSubscriber, type PayloadOf } from "@signalbox/event-store";
import type { mergeRequestOpened } from "../merge_requests/merge-request-opened.js";

/** Makes a merge request findable. */
export function indexMergeRequest() {
  return defineSubscriber<PayloadOf<typeof mergeRequestOpened>>("search.index_merge_request", {
    async handle() {},
  });
}
