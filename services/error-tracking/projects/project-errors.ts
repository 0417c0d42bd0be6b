import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const projectErrors = defineErrors("Error tracking: projects", {
  ET_PROJECT_NOT_FOUND: {
    message: "There is no such project.",
    status: 404,
    remedy: "`signalbox project list` shows the numbers of all projects.",
  },
  ET_PROJECT_NAME_INVALID: {
    message: "A project's name has 1 to 100 characters and no control characters.",
    status: 422,
    remedy: "Choose another name.",
  },
  ET_PROJECT_SLUG_INVALID: {
    message: "A slug has 1 to 50 lower-case letters, digits, hyphens and underscores, and is no number.",
    status: 422,
    remedy: "Choose another slug.",
  },
  ET_PROJECT_SLUG_TAKEN: {
    message: "Another project has this slug.",
    status: 409,
    remedy: "Choose another slug.",
  },
  ET_KEY_NOT_FOUND: {
    message: "The project has no such key.",
    status: 404,
    remedy: "List the project's keys to see their numbers.",
  },
  ET_KEY_LAST: {
    message: "The last key of a project cannot be deleted.",
    status: 409,
    remedy: "Make another key first, or disable this one.",
  },
  ET_TEMPLATE_INVALID: {
    message: "A template is an address that begins with http:// or https:// and a fixed host.",
    status: 422,
    remedy: "Write the host out; placeholders belong behind it.",
  },
  ET_NETWORK_INVALID: {
    message: "A network is an address, or an address with the number of leading bits as in 10.0.0.0/8.",
    status: 422,
    remedy: "Correct the network that the details name.",
  },
});

export type ProjectErrorCode = keyof typeof projectErrors.entries;

export class ProjectError extends SignalboxError {
  declare readonly code: ProjectErrorCode;

  constructor(code: ProjectErrorCode, options: ErrorOptions = {}) {
    super(code, projectErrors.entries[code], options);
  }
}
