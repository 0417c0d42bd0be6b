import { type CheckpointReply, formatTimestamp } from "@signalbox/experience";
import type { TakeOutcome } from "../intake.js";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** The answer to a checkpoint that was taken: its fields as stored, and what became of the run. */
export function replyOf({
  run,
  answer,
  duplicate,
  anomalies,
}: Extract<TakeOutcome, { kind: "taken" }>): CheckpointReply {
  const { identity, terms } = run;
  const { reply: facts } = answer;
  // What is always there in one literal, the rest only where it is known: objects of few shapes cost half as much.
  const reply: Mutable<CheckpointReply> = {
    correlation_id: identity.correlationId,
    covered_experience_id: identity.experienceId,
    checkpoint: answer.kind,
    type: answer.type,
    feature_category: terms.featureCategory,
    urgency: terms.urgency,
    client_timestamp: formatTimestamp(answer.clientAtMs),
    server_timestamp: formatTimestamp(answer.serverAtMs),
    event_id: answer.eventKey,
    run: identity.run,
    state: facts.state,
    duplicate,
    anomalies,
    warnings: answer.warnings,
  };
  if (answer.category !== undefined) reply.checkpoint_category = answer.category;
  if (answer.meta) reply.meta = answer.meta;
  if (answer.outcome !== undefined) {
    reply.outcome = answer.outcome;
    reply.error = answer.outcome === "error";
  }
  if (answer.errorMessage !== undefined) reply.error_message = answer.errorMessage;
  if (answer.discardReason !== undefined) reply.discard_reason = answer.discardReason;
  if (answer.sequence !== undefined) reply.sequence = answer.sequence;
  if (answer.sentAtMs !== undefined) reply.sent_timestamp = formatTimestamp(answer.sentAtMs);
  if (facts.deadlineMs !== undefined) reply.deadline = formatTimestamp(facts.deadlineMs);
  if (facts.elapsedMs !== undefined) reply.elapsed_s = facts.elapsedMs / 1000;
  if (facts.apdexSuccess !== undefined) reply.apdex_success = facts.apdexSuccess;
  return reply;
}
