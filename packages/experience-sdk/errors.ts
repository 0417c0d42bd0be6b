import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel/portable";

export const experienceSdkErrors = defineErrors("Experience SDK", {
  EXPERIENCE_OPTIONS_INVALID: {
    message: "An option of the client is not valid.",
    remedy: "Correct the option.",
  },
  EXPERIENCE_UNKNOWN: {
    message: "There is no definition of this experience.",
    remedy: "Add a definition, or correct the id.",
  },
  EXPERIENCE_RESERVED_KEY: {
    message: "An extra has the name of a field that the tracker sets itself.",
    remedy: "Rename the extra.",
  },
});

export type ExperienceSdkErrorCode = keyof typeof experienceSdkErrors.entries;

export class ExperienceSdkError extends SignalboxError {
  declare readonly code: ExperienceSdkErrorCode;

  constructor(code: ExperienceSdkErrorCode, options: ErrorOptions = {}) {
    super(code, experienceSdkErrors.entries[code], options);
  }
}
