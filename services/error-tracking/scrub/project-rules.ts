import type { ErrorEvent } from "../digest/error-event.js";
import { setOwn } from "../normalise/values.js";
import { type Pattern, patternOf } from "./patterns.js";
import type { ScrubRule } from "./scrub-settings.js";
import { disguise, replacePattern } from "./scrub-text.js";

export interface CompiledRule {
  readonly rule: ScrubRule;
  readonly steps: readonly string[];
  readonly name: string;
  readonly pattern: Pattern | undefined;
  /** Looked for as it stands, in any case. */
  readonly literal: RegExp | undefined;
}

export function compileRules(rules: readonly ScrubRule[]): readonly CompiledRule[] {
  return rules.map((rule, index) => {
    const { find } = rule;
    return {
      rule,
      steps: (rule.path ?? "**").split("."),
      name: `rule ${index + 1}`,
      pattern: find !== undefined && "kind" in find ? patternOf(find.kind) : undefined,
      literal:
        find !== undefined && "text" in find ? new RegExp(find.text.replaceAll(/[^\w\s]/g, "\\$&"), "gi") : undefined,
    };
  });
}

type Note = (path: readonly string[], rule: string) => void;

/** Applies a project's own rules to every text of an event. Lists are walked into; their positions are names as well. */
export function applyRules(event: ErrorEvent, rules: readonly CompiledRule[], note: Note): void {
  for (const rule of rules) walk(event, [], rule, note);
}

/** What says which event it is and when it was stays, whatever a rule says. */
const fixed = new Set(["event_id", "timestamp", "received", "platform", "level", "type"]);

function walk(holder: object, path: readonly string[], rule: CompiledRule, note: Note): void {
  for (const [key, member] of Object.entries(holder)) {
    if (path.length === 0 && fixed.has(key)) continue;
    const place = [...path, key];
    if (typeof member === "object" && member !== null) walk(member, place, rule, note);
    else if (typeof member === "string" && matchesPath(place, rule.steps))
      setOwn(holder, key, changed(member, place, rule, note));
  }
}

function changed(text: string, path: readonly string[], compiled: CompiledRule, note: Note): string {
  const { rule, name, pattern, literal } = compiled;
  const onScrubbed = (): void => note(path, name);
  if (pattern !== undefined) return replacePattern(text, pattern, rule.method, onScrubbed);
  const make = (secret: string): string => {
    onScrubbed();
    return disguise(secret, rule.method);
  };
  if (literal !== undefined) return text.replaceAll(literal, make);
  return text === "" ? text : make(text);
}

function matchesPath(path: readonly string[], steps: readonly string[], at = 0, step = 0): boolean {
  if (step === steps.length) return at === path.length;
  const wanted = steps[step];
  if (wanted === "**") {
    for (let skip = at; skip <= path.length; skip++) if (matchesPath(path, steps, skip, step + 1)) return true;
    return false;
  }
  return at < path.length && (wanted === "*" || wanted === path[at]) && matchesPath(path, steps, at + 1, step + 1);
}
