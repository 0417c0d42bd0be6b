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
  ET_ATTACHMENT_NOT_FOUND: {
    message: "The event has no such attachment, or the project does not keep it any longer.",
    status: 404,
    remedy: "List the event's attachments to see their numbers.",
  },
  ET_MONITOR_NOT_FOUND: {
    message: "The project has no such monitor.",
    status: 404,
    remedy: "List the project's monitors to see their names.",
  },
  ET_MONITOR_EXISTS: {
    message: "The project has a monitor of this name.",
    status: 409,
    remedy: "Change the monitor that there is, or choose another name.",
  },
  ET_MONITOR_INVALID: {
    message: "Nothing can run by this configuration.",
    status: 422,
    remedy:
      "Give a crontab of five fields, or an interval with a number and a unit, and a time zone such as Europe/Berlin.",
  },
  ET_DEAD_LETTER_NOT_FOUND: {
    message: "The project has no such dead letter.",
    status: 404,
    remedy: "List the project's dead letters to see their ids.",
  },
  ET_DEAD_LETTER_STATE: {
    message: "The dead letter waits for nothing: it was replayed or deleted already.",
    status: 409,
    remedy: "Look at its state; only letters in state dead can be replayed or deleted.",
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
