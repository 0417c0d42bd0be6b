import type { Definition } from "@signalbox/experience";
import { stringify } from "yaml";
import { definitionGroup, trackerGroup } from "./alerts.js";
import { recordingGroups } from "./recordings.js";
import { groupText, yamlStyle } from "./rule.js";
import { measured, seriesNames } from "./series.js";
import type { RuleSettings } from "./settings.js";

/**
 * The rules file of Prometheus, in pieces that together are its text: recorded rates and ratios of all experiences, and
 * budgets and alerts of each. It depends on nothing but what is given, so that the same definitions give the same bytes.
 */
export function* prometheusRules(definitions: readonly Definition[], settings: RuleSettings): Generator<string> {
  const names = seriesNames(settings.metricPrefix);
  yield header(settings);
  yield "groups:\n";
  for (const group of [...recordingGroups(names), trackerGroup(settings)]) yield groupText(group);
  for (const definition of measured(definitions)) yield groupText(definitionGroup(names, definition, settings));
}

/**
 * What the rules file says of one definition, to be read and copied: its budgets and alerts. Loaded without the rest of
 * the file they find nothing, since that is what records the rates.
 */
export function* prometheusRulesOf(definition: Definition, settings: RuleSettings): Generator<string> {
  yield `# Budgets and alerts of ${definition.id}. The rates that they read are recorded by the whole file.\n`;
  yield "groups:\n";
  yield groupText(definitionGroup(seriesNames(settings.metricPrefix), definition, settings));
}

function header(settings: RuleSettings): string {
  const scrape = stringify({ scrape_configs: scrapeConfigs(settings) }, yamlStyle);
  return [
    "Rules of covered experiences, generated from their definitions: change those, not this file.",
    "Load it with `rule_files`, and scrape the server like this:",
    "",
    ...scrape.trimEnd().split("\n"),
    "",
    "honor_labels lets the label `type` be what the tracker says it is.",
  ]
    .map((line) => `#${line === "" ? "" : ` ${line}`}\n`)
    .join("");
}

function scrapeConfigs({ sliMetrics, metricsTarget }: RuleSettings): object[] {
  const target = { honor_labels: true, static_configs: [{ targets: [metricsTarget] }] };
  const all = { job_name: "signalbox", ...target };
  if (sliMetrics === "inline") return [all];
  // Every replica shows the same counters of journeys: one of them is asked, or an address behind which they all are.
  return [all, { job_name: "signalbox-experiences", metrics_path: "/metrics/experience", ...target }];
}
