import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const ruleErrors = defineErrors("Error tracking: rules", {
  ET_RULE_INVALID: {
    message: "A rule cannot be read.",
    status: 422,
    remedy: "Look at the line and column that the answer names; one rule stands on one line.",
  },
});

export type RuleErrorCode = keyof typeof ruleErrors.entries;

/** A line of a project's rules that cannot be read. */
export class RuleError extends SignalboxError {
  declare readonly code: RuleErrorCode;

  constructor(code: RuleErrorCode, options: ErrorOptions = {}) {
    super(code, ruleErrors.entries[code], options);
  }
}

/** The first thing that is wrong with a text of rules. Line and column count from 1. */
export function ruleSyntaxError(line: number, column: number, problem: string): RuleError {
  return new RuleError("ET_RULE_INVALID", {
    message: `Line ${line}, column ${column}: ${problem}`,
    details: { line, column, problem },
  });
}
