import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const digestErrors = defineErrors("Error tracking: digest", {
  ET_STORE_AWAY: {
    message: "Events cannot be stored now, because the database or the analytics engine does not answer.",
    retryable: true,
    remedy: "Bring the engine named in the log back. The events wait in the queue and are stored then.",
  },
  ET_EVENT_REFUSED: {
    message: "The event cannot be stored: the database or the analytics engine refuses it.",
    remedy: "Look at the cause in the dead letter; replay it once the program can store it.",
  },
  ET_GEO_UNREADABLE: {
    message: "The file of error_tracking.geo_database cannot be read as a MaxMind database.",
    remedy: "Give the path of a .mmdb file of version 2 that the server may read, or leave the setting out.",
  },
  ET_EVENT_TOO_SLOW: {
    message: "The event took too long to be understood, and others were waiting.",
    remedy: "Look for what is slow: rules of the project that look at many frames, or very long texts. Then replay it.",
  },
});

export type DigestErrorCode = keyof typeof digestErrors.entries;

export class DigestError extends SignalboxError {
  declare readonly code: DigestErrorCode;

  constructor(code: DigestErrorCode, options: ErrorOptions = {}) {
    super(code, digestErrors.entries[code], options);
  }
}
