import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const readErrors = defineErrors("Error tracking: reading", {
  ET_ISSUE_NOT_FOUND: {
    message: "The project has no such error.",
    status: 404,
    remedy: "List the project's errors to see their numbers.",
  },
  ET_EVENT_NOT_FOUND: {
    message: "The error has no such event, or it is older than the project keeps events.",
    status: 404,
    remedy: "List the error's events to see their ids.",
  },
  ET_TAG_NOT_FOUND: {
    message: "No event of the error has such a tag.",
    status: 404,
    remedy: "List the error's tags to see their names.",
  },
  ET_JOB_NOT_FOUND: {
    message: "There is no such job.",
    status: 404,
    remedy: "Use the number that the deletion was answered with.",
  },
});

export type ReadErrorCode = keyof typeof readErrors.entries;

export class ReadError extends SignalboxError {
  declare readonly code: ReadErrorCode;

  constructor(code: ReadErrorCode, options: ErrorOptions = {}) {
    super(code, readErrors.entries[code], options);
  }
}
