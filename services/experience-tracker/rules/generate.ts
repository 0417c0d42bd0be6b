import type { Definition } from "@signalbox/experience";
import { grafanaDashboard } from "./grafana.js";
import { openSlo } from "./openslo.js";
import { prometheusRules, prometheusRulesOf } from "./prometheus.js";
import { measured } from "./series.js";
import type { RuleSettings } from "./settings.js";

export type RuleFormat = "prometheus" | "openslo" | "grafana";

/**
 * What operators load elsewhere, made from the definitions, in pieces that together are the text. A pure function: equal
 * definitions and settings give equal bytes, in UTF-8 with LF at the ends of lines.
 */
export function generate(
  format: RuleFormat,
  definitions: readonly Definition[],
  settings: RuleSettings,
): Generator<string> {
  switch (format) {
    case "prometheus":
      return prometheusRules(definitions, settings);
    case "openslo":
      return openSlo(definitions, settings);
    case "grafana":
      return grafanaDashboard(settings);
  }
}

/** The part of one definition in the rules of Prometheus; absent for what no rules are made of. */
export function generateTextOf(
  id: string,
  definitions: readonly Definition[],
  settings: RuleSettings,
): string | undefined {
  const definition = measured(definitions).find((candidate) => candidate.id === id);
  return definition && [...prometheusRulesOf(definition, settings)].join("");
}

/** The whole text at once; a thousand definitions take the better part of a second. */
export function generateText(format: RuleFormat, definitions: readonly Definition[], settings: RuleSettings): string {
  return [...generate(format, definitions, settings)].join("");
}
