import { expect, test } from "vitest";
import { define, ruleSettings } from "../testing/rule-settings.js";
import { compareRules, generateText, RulesUnreadable } from "./index.js";

const rulesOf = (...definitions: Parameters<typeof define>[]): string =>
  generateText(
    "prometheus",
    definitions.map((each) => define(...each)),
    ruleSettings,
  );

test("XP-660 another objective is told by the thresholds that it changes", () => {
  const changes = compareRules(rulesOf(["pay"]), rulesOf(["pay", { slo: { error_pct: 0.1 } }]));
  expect(changes).toEqual([
    {
      kind: "changed",
      what: "gitlab:covered_experience_sli:error:budget of pay",
      details: ["expr: 0.0005 → 0.001"],
    },
    {
      kind: "changed",
      what: "CoveredExperienceErrorBudgetBurnPage of pay",
      details: ["expr: 0.00672 → 0.01344", "expr: 0.0028 → 0.0056", "annotations.summary: 0.05 → 0.1"],
    },
    {
      kind: "changed",
      what: "CoveredExperienceErrorBudgetBurnTicket of pay",
      details: ["expr: 0.0014 → 0.0028", "expr: 0.00046665 → 0.0009333", "annotations.summary: 0.05 → 0.1"],
    },
  ]);
});

test("XP-660 what came and what went is named, and a rule of another form is shown by its lines", () => {
  const before = rulesOf(["pay"], ["gone"]);
  const after = rulesOf(["pay", { alerts: { expect_traffic_within_s: 600 } }]).replace(
    "max(signalbox_experience_oldest_overdue_seconds) > 60",
    "min(signalbox_experience_oldest_overdue_seconds) > 60",
  );
  const changes = compareRules(before, after);
  expect(changes.filter(({ kind }) => kind === "added").map(({ what }) => what)).toEqual([
    "CoveredExperienceNoTraffic of pay",
  ]);
  expect(changes.filter(({ kind }) => kind === "removed").map(({ what }) => what)).toHaveLength(8);
  expect(changes.filter(({ kind }) => kind === "changed")).toEqual([
    {
      kind: "changed",
      what: "CoveredExperienceReaperBehind",
      details: [
        "expr: max(signalbox_experience_oldest_overdue_seconds) > 60 → min(signalbox_experience_oldest_overdue_seconds) > 60",
      ],
    },
  ]);
});

test("XP-660 the same rules in other words are the same rules", () => {
  const rules = rulesOf(["pay"]);
  expect(compareRules(rules, rules)).toEqual([]);
  expect(compareRules(rules.replaceAll("for: 2m", 'for: "2m" # soon'), rules)).toEqual([]);
});

test("XP-660 what holds no rules cannot be compared", () => {
  const rules = rulesOf(["pay"]);
  for (const text of ["", "hello", "groups: []\n", "groups: [", "{}", "- 1\n- 2\n", "a: &a [*a]"])
    expect(() => compareRules(text, rules), text).toThrow(RulesUnreadable);
});
