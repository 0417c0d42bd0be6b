import { defineSubscriber, type PayloadOf } from "@signalbox/event-store";
import type { pipelineFinished } from "../ci/pipeline-finished.js";
import type { Forge } from "../forge.js";

/** Every so many mails the mail server is busy. */
const mailsBetweenRefusals = 7;

/** Mails an author how the pipeline ended; tries again while the mail server is busy. */
export function tellAuthor({ captureError }: Forge) {
  let mails = 0;
  return defineSubscriber<PayloadOf<typeof pipelineFinished>>("notifications.tell_author", {
    retry: { maxAttempts: 5, baseMs: 400, maxMs: 2_000 },
    async handle(event, context) {
      if (event.data.outcome === "passed") return context.ignored("authors are told of failures alone");
      mails++;
      if (mails % mailsBetweenRefusals !== 0) return;
      const error = new Error("450 4.7.1 Try again later", { cause: new Error("connect ETIMEDOUT 198.51.100.7:25") });
      error.name = "MailServerBusy";
      captureError(error, { level: "warning", tags: { mail_server: "mx1" } });
      throw error;
    },
  });
}
