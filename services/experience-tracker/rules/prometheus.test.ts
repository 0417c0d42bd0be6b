import { createRegistry } from "@signalbox/experience";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { define, ruleSettings } from "../testing/rule-settings.js";
import { generateText, type RuleFormat, type RuleSettings } from "./index.js";

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

function rulesOf(text: string): Rule[] {
  const { groups }: { groups: { rules: Rule[] }[] } = parse(text);
  return groups.flatMap(({ rules }) => rules);
}

const definitions = [define("pay"), define("browse", { slo: { error_pct: 10 } })];
const generated = (settings: Partial<RuleSettings> = {}, of = definitions): string =>
  generateText("prometheus", of, { ...ruleSettings, ...settings });

test("XP-650 equal definitions give equal bytes, in whatever order they come, with LF and without a time", () => {
  for (const format of ["prometheus", "openslo", "grafana"] satisfies RuleFormat[]) {
    const text = generateText(format, definitions, ruleSettings);
    expect(generateText(format, [...definitions].reverse(), { ...ruleSettings })).toBe(text);
    expect(text).toMatch(/[^\n]\n$/);
    expect(text).not.toMatch(/\r|20\d\d-\d\d/);
    expect(text.indexOf("browse")).toBeLessThanOrEqual(text.indexOf("pay"));
  }
});

test("XP-651 rates and ratios are recorded over seven windows, the long ones from the recorded rates", () => {
  const recorded = rulesOf(generated()).flatMap(({ record = "", expr }) => (record ? [[record, expr] as const] : []));
  const of = new Map(recorded);
  for (const window of ["5m", "30m", "1h", "2h", "6h", "1d", "3d"])
    for (const name of [
      "ops:rate",
      "error:rate",
      "error:ratio",
      "apdex:weight:score",
      "apdex:success:rate",
      "apdex:ratio",
    ])
      expect(of.has(`gitlab:covered_experience_sli:${name}_${window}`), `${name}_${window}`).toBe(true);
  expect(of.get("gitlab:covered_experience_sli:ops:rate_6h")).toContain("[6h]");
  expect(of.get("gitlab:covered_experience_sli:ops:rate_3d")).toBe(
    "avg_over_time(gitlab:covered_experience_sli:ops:rate_5m[3d])",
  );
});

test("XP-653 a threshold that no share of runs exceeds is left out with a comment, and an alert without any, too", () => {
  const alertsOf = (errorPct: number) => {
    const text = generated({}, [define("browse", { slo: { error_pct: errorPct } })]);
    const names = rulesOf(text).filter(({ alert }) => alert?.startsWith("CoveredExperienceError"));
    return { text, names: names.map(({ alert }) => alert), exprs: names.map(({ expr }) => expr) };
  };
  const some = alertsOf(10);
  expect(some.names).toEqual(["CoveredExperienceErrorBudgetBurnPage", "CoveredExperienceErrorBudgetBurnTicket"]);
  expect(some.exprs[0]).not.toContain("ratio_1h");
  expect(some.exprs[0]).toContain("ratio_6h");
  expect(some.text).toContain("# CoveredExperienceErrorBudgetBurnPage of browse leaves out 1h and 5m");
  const none = alertsOf(40);
  expect(none.names).toEqual(["CoveredExperienceErrorBudgetBurnTicket"]);
  expect(none.text).toContain("# CoveredExperienceErrorBudgetBurnPage of browse leaves out 6h and 30m");
});

test("XP-653 every definition has alerts with its own numbers", () => {
  const pages = rulesOf(generated()).filter(({ alert }) => alert === "CoveredExperienceErrorBudgetBurnPage");
  expect(pages.map(({ labels }) => labels?.["covered_experience_id"])).toEqual(["browse", "pay"]);
  expect(pages[1]?.expr).toContain("> 0.00672");
  expect(pages[1]?.expr).toContain("> 0.0028");
  expect(pages[0]?.expr).toContain("> 0.56");
});

test("XP-656 who switches alerts off keeps the recorded series", () => {
  const rules = rulesOf(generated({}, [define("quiet", { alerts: { enabled: false } })]));
  const own = rules.filter(({ labels }) => labels?.["covered_experience_id"] === "quiet");
  expect(own.map(({ record, alert }) => record ?? alert)).toEqual([
    "gitlab:covered_experience_sli:error:budget",
    "gitlab:covered_experience_sli:apdex:budget",
  ]);
  expect(rules.some(({ record }) => record === "gitlab:covered_experience_sli:error:ratio_1h")).toBe(true);
});

test("XP-656 links stand in alerts when the server says where it is reached", () => {
  const alerts = (text: string): Rule[] => rulesOf(text).filter(({ alert }) => alert !== undefined);
  for (const { annotations } of alerts(generated()))
    expect(Object.keys(annotations ?? {})).not.toContain("runbook_url");
  for (const { annotations = {}, labels = {} } of alerts(generated({ publicUrl: "https://signalbox.example" }))) {
    expect(annotations["runbook_url"]).toMatch(/^https:\/\/signalbox\.example\/experiences\/runs\?state=/);
    const id = labels["covered_experience_id"];
    expect(annotations["dashboard_url"]).toBe(
      `https://signalbox.example/experiences${id === undefined ? "" : `/${id}`}`,
    );
  }
});

test("XP-656 XP-730 the canary has no rule, no objective and no part in what is recorded of all", () => {
  const { definitions: all } = createRegistry(definitions);
  expect(all.map(({ id }) => id)).toContain("signalbox_canary");
  const text = generated({}, [...all]);
  for (const { labels = {}, expr } of rulesOf(text)) {
    expect(Object.values(labels)).not.toContain("signalbox_canary");
    // Only to leave it out.
    expect(expr.replaceAll('covered_experience_id!="signalbox_canary"', "")).not.toContain("signalbox_canary");
  }
  expect(generateText("openslo", all, ruleSettings)).not.toContain("canary");
});

test("XP-655 without a canary nothing is concluded from its silence; a slow one is given time", () => {
  const off = generated({ canaryIntervalS: 0 });
  expect(rulesOf(off).map(({ alert }) => alert)).not.toContain("CoveredExperienceTrackerBlind");
  expect(off).toContain("# CoveredExperienceTrackerBlind is left out");
  const limit = (canaryIntervalS: number): string | undefined =>
    rulesOf(generated({ canaryIntervalS })).find(({ alert }) => alert === "CoveredExperienceTrackerBlind")?.expr;
  expect(limit(60)).toContain("> 300\n");
  expect(limit(10)).toContain("> 300\n");
  expect(limit(600)).toContain("> 3000\n");
});

test("XP-492 every name follows the metric prefix", () => {
  for (const format of ["prometheus", "openslo", "grafana"] satisfies RuleFormat[]) {
    const text = generateText(format, definitions, { ...ruleSettings, metricPrefix: "gitlab_user_experience" });
    expect(text).not.toMatch(/gitlab[_:]covered_experience/);
    expect(text).toContain("user_experience_id");
  }
});

test("XP-658 the scrape configuration that is printed honours the labels of the tracker", () => {
  const printed = (settings: Partial<RuleSettings>): { scrape_configs: Record<string, unknown>[] } => {
    const comments = generated(settings).split("\ngroups:\n")[0] ?? "";
    const lines = comments.split("\n").filter((line) => /^# (?:scrape_configs:| )/.test(line));
    return parse(lines.map((line) => line.slice(2)).join("\n"));
  };
  expect(printed({}).scrape_configs).toEqual([
    { job_name: "signalbox", honor_labels: true, static_configs: [{ targets: ["127.0.0.1:9464"] }] },
  ]);
  const separate = printed({ sliMetrics: "separate" }).scrape_configs;
  expect(separate.map(({ honor_labels }) => honor_labels)).toEqual([true, true]);
  expect(separate.map(({ metrics_path }) => metrics_path)).toEqual([undefined, "/metrics/experience"]);
});
