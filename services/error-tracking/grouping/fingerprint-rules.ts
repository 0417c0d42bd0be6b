import type { ErrorEvent } from "../digest/error-event.js";
import { type MatchedFrame, type Matcher, matchesEvent, readMatchers } from "./rule-matchers.js";
import { createRuleScanner, ruleLines } from "./rule-scanner.js";

/** A rule that gives events a fingerprint on the server. */
export interface FingerprintRule {
  readonly matchers: readonly Matcher[];
  readonly parts: readonly string[];
  readonly title: string | undefined;
  /** As it was written. */
  readonly text: string;
}

export interface FingerprintRules {
  /** The first rule that matches. */
  find(event: ErrorEvent, frames: () => readonly MatchedFrame[]): FingerprintRule | undefined;
}

const barePart = /(?:\{\{[^}]*\}\}|[^\s,"{]|\{(?!\{))+/y;

/**
 * Reads `matcher:"glob" … -> part, "{{ default }}" title="…"`, one rule per line.
 * @throws {RuleError} `ET_RULE_INVALID` with line and column
 */
export function parseFingerprintRules(text: string): readonly FingerprintRule[] {
  return ruleLines(text).map(({ line, number }) => {
    const scanner = createRuleScanner(line, number);
    const matchers = readMatchers(scanner);
    if (matchers.length === 0) return scanner.fail("a rule begins with a matcher");
    if (!scanner.take("->")) return scanner.fail("an arrow is missing behind the matchers");
    const parts: string[] = [];
    let title: string | undefined;
    while (!scanner.atEnd()) {
      if (parts.length > 0 && scanner.take('title="')) {
        title = readTitle(line);
        break;
      }
      if (parts.length > 0 && !scanner.take(",")) return scanner.fail("a comma is missing between two parts");
      const part = scanner.word(barePart);
      if (part === undefined) return scanner.fail("a part of the fingerprint is missing");
      parts.push(part.slice(0, 256));
    }
    if (parts.length === 0 || parts.length > 20) return scanner.fail("a fingerprint has 1 to 20 parts");
    if (title === "") return scanner.fail("the title is empty or is not the last thing on the line");
    return { matchers, parts, title, text: line.trim() };
  });
}

function readTitle(line: string): string {
  return /\stitle="((?:[^"\\]|\\.){1,256})"\s*$/.exec(line)?.[1]?.replaceAll(/\\(["\\])/g, "$1") ?? "";
}

/** Chunks of a page that cannot be loaded are one problem, whichever page it was. */
const builtIn = "family:javascript type:ChunkLoadError -> chunk-load-error";

export function compileFingerprintRules(text: string): FingerprintRules {
  const rules = [...parseFingerprintRules(text), ...parseFingerprintRules(builtIn)];
  return {
    find: (event, frames) => rules.find(({ matchers }) => matchesEvent(matchers, event, frames)),
  };
}
