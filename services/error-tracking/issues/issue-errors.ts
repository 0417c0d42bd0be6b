import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const issueErrors = defineErrors("Error tracking: issues", {
  ET_MERGE_INVALID: {
    message: "Between 2 and 100 different issues can be merged.",
    status: 422,
    remedy: "Name at least two issues of the project, each of which still stands for itself.",
  },
  ET_UNMERGE_INVALID: {
    message: "The issue cannot be split in this way.",
    status: 422,
    remedy: "Name hashes that the issue has, and leave it at least one.",
  },
  ET_BULK_TOO_LARGE: {
    message: "At most 1,000 issues can be changed by one call.",
    status: 422,
    remedy: "Narrow the query, or name fewer issues.",
  },
});

export type IssueErrorCode = keyof typeof issueErrors.entries;

export class IssueError extends SignalboxError {
  declare readonly code: IssueErrorCode;

  constructor(code: IssueErrorCode, options: ErrorOptions = {}) {
    super(code, issueErrors.entries[code], options);
  }
}
