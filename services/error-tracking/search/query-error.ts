import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const queryErrors = defineErrors("Error tracking: search", {
  ET_QUERY_INVALID: {
    message: "The query cannot be read.",
    status: 400,
    remedy: "Look at the offset that the answer names.",
  },
});

export type QueryErrorCode = keyof typeof queryErrors.entries;

/** A query that cannot be read. */
export class QueryError extends SignalboxError {
  declare readonly code: QueryErrorCode;

  constructor(code: QueryErrorCode, options: ErrorOptions = {}) {
    super(code, queryErrors.entries[code], options);
  }
}

/** `offset`: how many characters of the query were read, from 0. */
export function invalidQuery(offset: number, problem: string): QueryError {
  return new QueryError("ET_QUERY_INVALID", {
    message: `At offset ${offset}: ${problem}`,
    details: { offset, problem },
  });
}
