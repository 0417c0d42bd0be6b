import { compileFingerprintRules } from "./fingerprint-rules.js";
import type { GroupingRules } from "./grouping.js";
import { compileStackRules } from "./stack-rules.js";

const compiled = new Map<string, GroupingRules>();
const maxCompiled = 500;

/**
 * The rules of a project, ready to use; the same texts are compiled once.
 * @throws {RuleError} `ET_RULE_INVALID`, which cannot happen for texts that were checked when they were saved
 */
export function compileGroupingRules(fingerprintRules: string, stackRules: string): GroupingRules {
  const key = `${fingerprintRules}\0${stackRules}`;
  const before = compiled.get(key);
  if (before !== undefined) return before;
  const rules: GroupingRules = {
    fingerprint: compileFingerprintRules(fingerprintRules),
    stack: compileStackRules(stackRules),
  };
  if (compiled.size >= maxCompiled) compiled.clear();
  compiled.set(key, rules);
  return rules;
}
