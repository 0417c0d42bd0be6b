import { dashboardPanels, datasource, variable } from "./grafana-panels.js";
import { type SeriesNames, seriesNames } from "./series.js";
import type { RuleSettings } from "./settings.js";

/** The dashboard of Grafana as JSON. What it shows is recorded by the rules of Prometheus; it asks for nothing when imported. */
export function* grafanaDashboard({ metricPrefix, publicUrl }: RuleSettings): Generator<string> {
  const names = seriesNames(metricPrefix);
  const dashboard = {
    uid: "signalbox-experiences",
    title: "Signalbox: experiences and their objectives",
    description: "Generated from the definitions of covered experiences. Needs the generated rules.",
    tags: ["signalbox"],
    schemaVersion: 38,
    version: 1,
    editable: true,
    graphTooltip: 1,
    time: { from: "now-24h", to: "now" },
    refresh: "1m",
    links: [
      runLink("Runs that timed out", "timed_out"),
      runLink("Runs that failed", "failed"),
      runLink("Runs under way", "open"),
    ],
    annotations: { list: [] },
    templating: { list: variables(names, publicUrl) },
    panels: dashboardPanels(names),
  };
  yield `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

function runLink(title: string, state: string): object {
  return {
    type: "link",
    title,
    url: `${variable("signalbox:raw")}/experiences/runs?state=${state}`,
    tooltip: title,
    icon: "external link",
    targetBlank: true,
    includeVars: false,
    keepTime: false,
    asDropdown: false,
    tags: [],
  };
}

const windows = ["1d", "7d", "28d"] as const;
const usualWindow = "28d";

function variables({ info }: SeriesNames, publicUrl: string | undefined): object[] {
  const categories = `label_values(${info}, feature_category)`;
  const address = publicUrl ?? "http://localhost:8787";
  return [
    { name: "datasource", type: "datasource", query: "prometheus", label: "Data source", current: {} },
    {
      name: "category",
      type: "query",
      label: "Category",
      datasource,
      definition: categories,
      query: { query: categories, refId: "categories" },
      includeAll: true,
      allValue: ".*",
      multi: true,
      current: { text: ["All"], value: ["$__all"] },
      refresh: 2,
      sort: 1,
    },
    {
      name: "window",
      type: "custom",
      label: "Figures of",
      query: windows.join(","),
      current: { text: usualWindow, value: usualWindow },
      options: windows.map((value) => ({ text: value, value, selected: value === usualWindow })),
    },
    {
      name: "signalbox",
      type: "textbox",
      label: "Signalbox",
      query: address,
      current: { text: address, value: address },
      options: [{ text: address, value: address, selected: true }],
    },
  ];
}
