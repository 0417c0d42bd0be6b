import { ruleSyntaxError } from "./rule-errors.js";

/** Reads one line of rules from left to right and knows where it is. */
export interface RuleScanner {
  /** Skips white space; true at the end of the line. */
  atEnd(): boolean;
  /** Takes `text` when it comes next. */
  take(text: string): boolean;
  /** Takes what `pattern` (sticky) finds next. */
  match(pattern: RegExp): string | undefined;
  /** A word, or anything between double quotes with `\"` and `\\` inside. */
  word(stop: RegExp): string | undefined;
  fail(problem: string): never;
}

const quoted = /"((?:[^"\\]|\\.)*)"/y;

export function createRuleScanner(line: string, lineNumber: number): RuleScanner {
  let at = 0;
  const skip = (): void => {
    while (line[at] === " " || line[at] === "\t") at++;
  };
  const scanner: RuleScanner = {
    atEnd() {
      skip();
      return at >= line.length;
    },
    take(text) {
      skip();
      if (!line.startsWith(text, at)) return false;
      at += text.length;
      return true;
    },
    match(pattern) {
      skip();
      pattern.lastIndex = at;
      const found = pattern.exec(line)?.[0];
      if (found === undefined || found === "") return undefined;
      at += found.length;
      return found;
    },
    word(stop) {
      skip();
      if (line[at] !== '"') return scanner.match(stop);
      quoted.lastIndex = at;
      const found = quoted.exec(line);
      if (found === null) return scanner.fail("a closing quotation mark is missing");
      at += found[0].length;
      return found[1]?.replaceAll(/\\(["\\])/g, "$1") ?? "";
    },
    fail(problem) {
      throw ruleSyntaxError(lineNumber, at + 1, problem);
    },
  };
  return scanner;
}

/** Lines that hold a rule, with their number from 1; empty lines and comments behind `#` hold none. */
export function ruleLines(text: string): { readonly line: string; readonly number: number }[] {
  return text
    .split(/\r?\n/)
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== "" && !line.trim().startsWith("#"));
}
