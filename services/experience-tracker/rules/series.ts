import type { Definition } from "@signalbox/experience";
import { canaryId } from "../list-runs.js";
import { idLabelOf } from "../sli-metrics.js";

/** Names of what is scraped and of what the rules record from it. All follow the metric prefix. */
export interface SeriesNames {
  /** Label of an experience's id. */
  readonly idLabel: string;
  readonly checkpoints: string;
  readonly total: string;
  readonly apdex: string;
  readonly info: string;
  /** Name of a recorded series: `error:ratio_1h` becomes `gitlab:covered_experience_sli:error:ratio_1h`. */
  recorded(name: string): string;
}

export function seriesNames(prefix: string): SeriesNames {
  const family = `gitlab:${prefix.replace(/^gitlab_/, "")}_sli`;
  return {
    idLabel: idLabelOf(prefix),
    checkpoints: `${prefix}_checkpoint_total`,
    total: `${prefix}_total`,
    apdex: `${prefix}_apdex_total`,
    info: `${prefix}_info`,
    recorded: (name) => `${family}:${name}`,
  };
}

/** The definitions that something is generated from, sorted by id. */
export function measured(definitions: readonly Definition[]): readonly Definition[] {
  return definitions.filter(({ id }) => id !== canaryId).sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** Leaves the tracker's journey to itself out of a query over all experiences: every tenth of them times out on purpose. */
export function withoutCanary(idLabel: string): string {
  return `${idLabel}!="${canaryId}"`;
}

/** The labels that recorded series are aggregated by. */
export function definitionLabels({ idLabel }: SeriesNames, definition: Definition): Readonly<Record<string, string>> {
  return { [idLabel]: definition.id, feature_category: definition.featureCategory, urgency: definition.urgency };
}

/**
 * Selects the series of one definition. All three labels: after a change of category there are series with the old one
 * for a while, and an alert that finds two of them is no alert at all.
 */
export function selectorOf(names: SeriesNames, definition: Definition): string {
  const matchers = Object.entries(definitionLabels(names, definition)).map(([name, value]) => `${name}="${value}"`);
  return `{${matchers.join(",")}}`;
}
