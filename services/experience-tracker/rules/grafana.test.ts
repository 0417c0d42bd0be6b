import { expect, test } from "vitest";
import { ruleSettings } from "../testing/rule-settings.js";
import { generateText, type RuleSettings } from "./index.js";

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly exemplar?: boolean;
  readonly datasource: { readonly type: string; readonly uid: string };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly Target[];
  readonly datasource: object;
  readonly fieldConfig: { readonly overrides: readonly Override[] };
}

interface Override {
  readonly matcher: { readonly options: string };
  readonly properties: readonly { readonly id: string; readonly value: unknown }[];
}

interface Dashboard {
  readonly uid: string;
  readonly links: readonly { readonly url: string }[];
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

function dashboard(settings: Partial<RuleSettings> = {}): Dashboard {
  return JSON.parse(generateText("grafana", [], { ...ruleSettings, ...settings }));
}

function panel(title: string): Panel {
  const found = dashboard().panels.find((each) => each.title.startsWith(title));
  if (!found) throw new Error(`There is no panel ${title}`);
  return found;
}

test("XP-658 the dashboard asks for nothing when it is imported: its data source and its categories are variables", () => {
  const made = dashboard();
  expect(made.uid).toBe("signalbox-experiences");
  expect(JSON.stringify(made)).not.toContain("__inputs");
  expect(made.templating.list.map(({ name }) => name)).toEqual(["datasource", "category", "window", "signalbox"]);
  const source = { type: "prometheus", uid: "${" + "datasource}" };
  for (const { datasource, targets } of made.panels) {
    expect(datasource).toEqual(source);
    for (const target of targets) expect(target.datasource).toEqual(source);
  }
});

test("XP-658 panels have ids of their own and stand beside each other, and so do their queries", () => {
  const { panels } = dashboard();
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
    expect(x + w).toBeLessThanOrEqual(24);
    return Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`);
  });
  expect(new Set(cells).size).toBe(cells.length);
  for (const { targets } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
});

test("XP-658 it has figures of all, a row for each experience with what is left of its budgets, timeouts and lateness", () => {
  for (const title of ["Combined", "Apdex", "Errors", "Timeouts", "Lateness"])
    expect(panel(title).targets).not.toEqual([]);
  const { fieldConfig, targets } = panel("Experiences");
  expect(targets).toHaveLength(5);
  const of = (column: string) =>
    fieldConfig.overrides.find(({ matcher: { options } }) => options === column)?.properties;
  const thresholds = of("Error budget left")?.find(({ id }) => id === "thresholds")?.value;
  expect(thresholds).toMatchObject({ steps: [{ color: "red", value: null }, { value: 0 }, { color: "green" }] });
  expect(JSON.stringify(of("Experience"))).toContain("/experiences/runs?state=finished&experience=");
});

test("XP-658 exemplars are on where the counters have them", () => {
  const withExemplars = dashboard().panels.filter(({ targets }) => targets.some(({ exemplar }) => exemplar));
  expect(withExemplars.map(({ title }) => title)).toEqual(["Errors", "Apdex", "Runs", "Duration, p95"]);
});

test("XP-658 links lead to the runs of this server, and can be set to another", () => {
  const addressOf = (settings: Partial<RuleSettings>): unknown =>
    dashboard(settings).templating.list.find(({ name }) => name === "signalbox")?.query;
  expect(addressOf({ publicUrl: "https://signalbox.example" })).toBe("https://signalbox.example");
  expect(addressOf({})).toBe("http://localhost:8787");
  for (const { url } of dashboard().links) expect(url).toContain("signalbox:raw}/experiences/runs?state=");
});
