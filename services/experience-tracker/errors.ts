import { experienceErrors } from "@signalbox/experience";
import { HttpProblem, type HttpProblemOptions } from "@signalbox/http";
import { defineErrors } from "@signalbox/kernel";

/** Codes that the experience API answers with, beyond the shared ones. */
export const trackerErrors = defineErrors("Experiences", {
  invalid_checkpoint: {
    message: "The checkpoint is not valid.",
    status: 422,
    remedy: "`errors` names each field and what is wrong with it. Repeating the same checkpoint fails again.",
  },
  unknown_experience: {
    message: "There is no definition of this experience.",
    status: 422,
    remedy: "Put a definition file into the folder of definitions, or correct `covered_experience_id`.",
  },
  contradictory_outcome: {
    message: "`outcome` and `error` contradict each other.",
    status: 422,
    remedy: "Send only one of them.",
  },
  idempotency_key_conflict: {
    message: "The header Idempotency-Key and the field `event_id` differ.",
    status: 422,
    remedy: "They mean the same thing: send only one of them.",
  },
  timestamp_out_of_range: {
    message: "The time of the checkpoint is too far from the server's.",
    status: 422,
    remedy: "Set the client's clock, or send `sent_timestamp` so that the server can correct it.",
  },
  too_many_items: {
    message: "The batch holds more checkpoints than allowed.",
    status: 413,
    remedy: "Send at most 500 checkpoints in one batch.",
  },
  run_not_found: {
    message: "There is no such run.",
    status: 404,
    remedy: "Check experience id, correlation id and run; runs are forgotten after the history's retention.",
  },
  definition_not_found: {
    message: "There is no definition with this id.",
    status: 404,
    remedy: "GET /api/v1/experience/definitions lists the definitions.",
  },
  producer_not_allowed: {
    message: "This producer is not in the list of producers.",
    status: 403,
    remedy: "Add its issuer and subject to the file of `experience.producers`.",
  },
  type_not_allowed: {
    message: "This producer may not send checkpoints of this type.",
    status: 403,
    remedy: "Widen `types` of the producer's entry, or the token.",
  },
  experience_not_allowed: {
    message: "This producer may not send checkpoints of this experience.",
    status: 403,
    remedy: "Widen `experiences` of the producer's entry, or the token.",
  },
});

export type TrackerErrorCode = keyof typeof trackerErrors.entries;

export function trackerProblem(code: TrackerErrorCode, options: HttpProblemOptions = {}): HttpProblem {
  return new HttpProblem(code, trackerErrors.entries[code], options);
}

/** The answer when nothing can be stored now. */
export function storeProblem(code: keyof typeof experienceErrors.entries, cause?: unknown): HttpProblem {
  return new HttpProblem(code, experienceErrors.entries[code], { headers: { "retry-after": "5" }, cause });
}
