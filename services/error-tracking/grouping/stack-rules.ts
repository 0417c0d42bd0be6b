import type { ErrorEvent, Frame } from "../digest/error-event.js";
import { type Matcher, matchesFrame, readMatchers } from "./rule-matchers.js";
import { createRuleScanner, ruleLines } from "./rule-scanner.js";

interface Action {
  readonly sets: "app" | "group";
  readonly to: boolean;
  /** `above`: the frames nearer to the crash as well; `below`: those that called it. */
  readonly range: "frame" | "above" | "below";
}

export interface StackRule {
  readonly matchers: readonly Matcher[];
  readonly actions: readonly Action[];
}

/** What the rules say of one frame; undefined where they say nothing. */
export interface FrameDecision {
  inApp?: boolean;
  group?: boolean;
}

export interface StackRules {
  /** Decisions for the frames of one stack, in the order of the rules. */
  decide(
    frames: readonly Frame[],
    event: ErrorEvent,
    isInApp: (frame: Frame) => boolean,
  ): readonly Readonly<FrameDecision>[];
}

const action = /[\^v]?[+-](?:app|group)\b/y;

/**
 * Reads `matcher:"glob" … +app|-app|+group|-group`, one rule per line. With `^` before it an action reaches from the
 * frame to the crash, with `v` from the frame to the start of the stack.
 * @throws {RuleError} `ET_RULE_INVALID` with line and column
 */
export function parseStackRules(text: string): readonly StackRule[] {
  return ruleLines(text).map(({ line, number }) => {
    const scanner = createRuleScanner(line, number);
    const matchers = readMatchers(scanner);
    if (matchers.length === 0) return scanner.fail("a rule begins with a matcher");
    const actions: Action[] = [];
    while (!scanner.atEnd()) {
      const found = scanner.match(action);
      if (found === undefined) return scanner.fail("here belongs +app, -app, +group or -group");
      actions.push({
        sets: found.endsWith("app") ? "app" : "group",
        to: found.includes("+"),
        range: found.startsWith("^") ? "above" : found.startsWith("v") ? "below" : "frame",
      });
    }
    if (actions.length === 0) return scanner.fail("the action is missing: +app, -app, +group or -group");
    return { matchers, actions };
  });
}

export function compileStackRules(text: string): StackRules | undefined {
  const rules = parseStackRules(text);
  if (rules.length === 0) return undefined;
  return {
    decide(frames, event, isInApp) {
      const decisions: FrameDecision[] = frames.map(() => ({}));
      for (const { matchers, actions } of rules) {
        // Who matches is settled before anything of this rule changes.
        const matched = frames.map((frame, index) =>
          matchesFrame(matchers, { frame, inApp: decisions[index]?.inApp ?? isInApp(frame) }, event),
        );
        for (const one of actions) {
          const first = one.range === "below" ? 0 : matched.indexOf(true);
          const last = one.range === "above" ? frames.length - 1 : matched.lastIndexOf(true);
          if (first < 0 || last < 0) continue;
          for (let index = first; index <= last; index++) {
            const decision = decisions[index];
            if (decision === undefined || (one.range === "frame" && !matched[index])) continue;
            if (one.sets === "app") decision.inApp = one.to;
            else decision.group = one.to;
          }
        }
      }
      return decisions;
    },
  };
}
