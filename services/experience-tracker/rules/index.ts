export { type Change, compareRules, RulesUnreadable } from "./diff.js";
export { generate, generateText, generateTextOf, type RuleFormat } from "./generate.js";
export { type RuleConfiguration, type RuleSettings, ruleSettingsOf } from "./settings.js";
