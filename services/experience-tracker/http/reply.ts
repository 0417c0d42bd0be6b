import { type CheckpointReply, formatTimestamp } from "@signalbox/experience";
import type { TakeOutcome } from "../intake.js";

/** The answer to a checkpoint that was taken: its fields as stored, and what became of the run. */
export function replyOf({
  run,
  answer,
  duplicate,
  anomalies,
}: Extract<TakeOutcome, { kind: "taken" }>): CheckpointReply {
  const { identity, terms } = run;
  const { reply } = answer;
  return {
    correlation_id: identity.correlationId,
    covered_experience_id: identity.experienceId,
    checkpoint: answer.kind,
    ...(answer.category === undefined ? {} : { checkpoint_category: answer.category }),
    type: answer.type,
    feature_category: terms.featureCategory,
    urgency: terms.urgency,
    client_timestamp: formatTimestamp(answer.clientAtMs),
    server_timestamp: formatTimestamp(answer.serverAtMs),
    ...(answer.meta === undefined ? {} : { meta: answer.meta }),
    event_id: answer.eventKey,
    ...(answer.outcome === undefined ? {} : { outcome: answer.outcome, error: answer.outcome === "error" }),
    ...(answer.errorMessage === undefined ? {} : { error_message: answer.errorMessage }),
    ...(answer.discardReason === undefined ? {} : { discard_reason: answer.discardReason }),
    run: identity.run,
    ...(answer.sequence === undefined ? {} : { sequence: answer.sequence }),
    ...(answer.sentAtMs === undefined ? {} : { sent_timestamp: formatTimestamp(answer.sentAtMs) }),
    state: reply.state,
    duplicate,
    ...(reply.deadlineMs === undefined ? {} : { deadline: formatTimestamp(reply.deadlineMs) }),
    ...(reply.elapsedMs === undefined ? {} : { elapsed_s: reply.elapsedMs / 1000 }),
    ...(reply.apdexSuccess === undefined ? {} : { apdex_success: reply.apdexSuccess }),
    anomalies,
    warnings: answer.warnings,
  };
}
