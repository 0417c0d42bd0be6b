import { stringify } from "yaml";

/** A rule as Prometheus reads it. */
export type Rule = RecordingRule | AlertingRule;

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Rules that are evaluated one after the other, so that a later one sees what an earlier one recorded. */
export interface RuleGroup {
  readonly name: string;
  readonly interval: string;
  readonly rules: readonly Rule[];
  /** What a reader should know, such as rules that were left out. */
  readonly comments?: readonly string[];
}

/** Old readers of YAML take `yes` and `12:30` for something else than a text, so these are quoted; no line is folded. */
export const yamlStyle = { compat: "yaml-1.1", lineWidth: 0, aliasDuplicateObjects: false } as const;

/** One element of the list `groups`. */
export function groupText({ comments = [], name, interval, rules }: RuleGroup): string {
  const text = stringify({ groups: [{ name, interval, rules }] }, yamlStyle).slice("groups:\n".length);
  return `${comments.map((comment) => `  # ${comment}\n`).join("")}${text}`;
}
