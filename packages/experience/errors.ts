import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const experienceErrors = defineErrors("Experience store", {
  state_store_unavailable: {
    message: "The store of the experiences' state does not answer",
    retryable: true,
    status: 503,
    remedy: "Send the checkpoints again after the time in `Retry-After`; look at /-/readiness for the store's state",
  },
  backlog_full: {
    message: "Too many checkpoints or unpublished events are waiting",
    retryable: true,
    status: 503,
    remedy: "Send the checkpoints again after the time in `Retry-After`; check that the event store takes events",
  },
});

export type ExperienceErrorCode = keyof typeof experienceErrors.entries;

export class ExperienceError extends SignalboxError {
  declare readonly code: ExperienceErrorCode;

  constructor(code: ExperienceErrorCode, options: ErrorOptions = {}) {
    super(code, experienceErrors.entries[code], options);
  }
}
