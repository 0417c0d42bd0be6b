import { type SeriesNames, withoutCanary } from "./series.js";

/** Whichever Prometheus the reader has chosen. */
export const datasource = { type: "prometheus", uid: variable("datasource") } as const;

/** Grafana's way to name a variable. */
export function variable(name: string): string {
  return `\${${name}}`;
}

interface Panel {
  readonly type: "stat" | "table" | "timeseries";
  readonly title: string;
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly targets: readonly Target[];
  readonly fieldConfig: object;
  readonly options: object;
  readonly transformations?: readonly object[];
}

interface Target {
  readonly expr: string;
  readonly legendFormat?: string;
  readonly exemplar?: boolean;
  readonly instant?: boolean;
  readonly format?: "table";
}

const columns = 24;
const category = 'feature_category=~"$category"';

/** The panels in reading order, each at its place. */
export function dashboardPanels(names: SeriesNames): object[] {
  const panels = [...stats(names), table(names), ...courses(names), ...timeouts(names)];
  let [x, y, rowHeight] = [0, 0, 0];
  return panels.map(({ width, height, targets, ...panel }, index) => {
    if (x + width > columns) [x, y, rowHeight] = [0, y + rowHeight, 0];
    const gridPos = { x, y, w: width, h: height };
    [x, rowHeight] = [x + width, Math.max(rowHeight, height)];
    return {
      id: index + 1,
      ...panel,
      datasource,
      gridPos,
      targets: targets.map((target, place) => ({ refId: String.fromCharCode(65 + place), datasource, ...target })),
    };
  });
}

/** Sums over the chosen time, an hour's rate for each hour: few samples, whatever the time. */
function sums({ recorded, idLabel }: SeriesNames, aggregation: "all" | "experience") {
  const by = aggregation === "all" ? "" : ` by (${idLabel}, feature_category, urgency)`;
  const sum = (name: string): string => `sum${by} (sum_over_time(${recorded(`${name}_1h`)}{${category}}[$window:1h]))`;
  const [runs, errors] = [sum("ops:rate"), sum("error:rate")];
  const [weight, success] = [sum("apdex:weight:score"), sum("apdex:success:rate")];
  return {
    runs: `3600 * ${runs}`,
    errorRatio: `${errors} / (${runs} > 0)`,
    apdexRatio: `${success} / (${weight} > 0)`,
    combinedRatio: `(${success} + ${runs} - ${errors}) / (${weight} + ${runs} > 0)`,
  };
}

function stats(names: SeriesNames): Panel[] {
  const { runs, errorRatio, apdexRatio, combinedRatio } = sums(names, "all");
  const stat = (title: string, description: string, expr: string, defaults: object): Panel => ({
    type: "stat",
    title,
    description,
    width: 6,
    height: 4,
    targets: [{ expr, instant: true }],
    fieldConfig: { defaults: { noValue: "no traffic", ...defaults }, overrides: [] },
    options: { reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false }, colorMode: "value" },
  });
  const share = { unit: "percentunit", decimals: 3, max: 1 };
  return [
    stat("Combined, $window", "Good runs and quick runs together, of all that count.", combinedRatio, share),
    stat("Apdex, $window", "Successful runs within their threshold.", apdexRatio, share),
    stat("Errors, $window", "Runs that failed or timed out.", errorRatio, share),
    stat("Runs, $window", "Runs that ended or timed out.", runs, { unit: "short", decimals: 0 }),
  ];
}

function table(names: SeriesNames): Panel {
  const { idLabel, recorded } = names;
  const { runs, errorRatio, apdexRatio } = sums(names, "experience");
  const on = `on (${idLabel}, feature_category, urgency)`;
  const queries = [
    ["Runs", runs, { unit: "short", decimals: 0 }],
    ["Apdex", apdexRatio, { unit: "percentunit", decimals: 3 }],
    ["Errors", errorRatio, { unit: "percentunit", decimals: 3 }],
    ["Error budget left", `1 - (${errorRatio}) / ${on} ${recorded("error:budget")}`, budgetLook],
    ["Apdex budget left", `1 - (1 - ${apdexRatio}) / ${on} ${recorded("apdex:budget")}`, budgetLook],
  ] as const;
  const columnOf = (index: number): string => `Value #${String.fromCharCode(65 + index)}`;
  const titles = Object.fromEntries(queries.map(([title], index) => [columnOf(index), title]));
  return {
    type: "table",
    title: "Experiences, $window",
    description: "A budget is red when more of it is spent than there is: the objective is missed.",
    width: 24,
    height: 11,
    targets: queries.map(([, expr]) => ({ expr, instant: true, format: "table" })),
    fieldConfig: {
      defaults: { custom: { align: "auto", filterable: true } },
      overrides: [
        ...queries.map(([title, , look]) => overriding(title, look)),
        overriding("Experience", { links: experienceLinks }),
      ],
    },
    options: { showHeader: true, sortBy: [{ displayName: "Error budget left", desc: false }] },
    transformations: [
      { id: "merge", options: {} },
      {
        id: "organize",
        options: {
          excludeByName: { Time: true },
          indexByName: Object.fromEntries(
            [idLabel, "urgency", "feature_category", ...Object.keys(titles)].map((name, index) => [name, index]),
          ),
          renameByName: { [idLabel]: "Experience", feature_category: "Category", urgency: "Urgency", ...titles },
        },
      },
    ],
  };
}

/** Red below zero, where the objective is missed. */
const budgetLook = {
  unit: "percentunit",
  decimals: 1,
  thresholds: {
    mode: "absolute",
    steps: [
      { color: "red", value: null },
      { color: "orange", value: 0 },
      { color: "green", value: 0.25 },
    ],
  },
  "custom.cellOptions": { type: "color-background", mode: "basic" },
} as const;

const experienceLinks = [
  {
    title: "Its page",
    url: `${variable("signalbox:raw")}/experiences/${variable("__value.text")}`,
    targetBlank: true,
  },
  {
    title: "Its runs",
    url: `${variable("signalbox:raw")}/experiences/runs?state=finished&experience=${variable("__value.text")}`,
    targetBlank: true,
  },
] as const;

function overriding(column: string, properties: object): object {
  return {
    matcher: { id: "byName", options: column },
    properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
  };
}

/** Counters of their own carry no category; what it is, the definitions say. */
function inCategory({ info, idLabel }: SeriesNames): string {
  const known = `${info}{${category}}`;
  const named =
    idLabel === "covered_experience_id"
      ? known
      : `label_replace(${known}, "covered_experience_id", "$1", "${idLabel}", "(.*)")`;
  return `and on (covered_experience_id) ${named}`;
}

function courses(names: SeriesNames): Panel[] {
  const { idLabel, total, apdex } = names;
  const legendFormat = `{{${idLabel}}}`;
  const rate = (counter: string, more = ""): string =>
    `sum by (${idLabel}) (rate(${counter}{${withoutCanary(idLabel)},${category}${more}}[$__rate_interval]))`;
  return [
    course("Errors", "Share of runs that failed or timed out. Points are single runs.", percent, [
      { expr: `${rate(total, ',error="true"')} / (${rate(total)} > 0)`, legendFormat, exemplar: true },
    ]),
    course("Apdex", "Share of successful runs within their threshold. Points are single runs.", percent, [
      { expr: `${rate(apdex, ',success="true"')} / (${rate(apdex)} > 0)`, legendFormat, exemplar: true },
    ]),
    course("Runs", "Runs that ended or timed out, each second.", { unit: "ops" }, [
      { expr: rate(total), legendFormat, exemplar: true },
    ]),
    course("Duration, p95", "How long runs took that ended.", { unit: "s" }, [
      {
        expr: `histogram_quantile(0.95, sum by (le, covered_experience_id) (rate(signalbox_experience_duration_seconds_bucket{${ours}}[$__rate_interval])))\n${inCategory(names)}`,
        legendFormat: "{{covered_experience_id}}",
        exemplar: true,
      },
    ]),
  ];
}

const ours = withoutCanary("covered_experience_id");
const percent = { unit: "percentunit", min: 0, max: 1 } as const;

function timeouts(names: SeriesNames): Panel[] {
  const legendFormat = "{{covered_experience_id}}";
  const rises = (counter: string): string =>
    `sum by (covered_experience_id) (increase(${counter}{${ours}}[$__rate_interval]))\n${inCategory(names)}`;
  return [
    course("Timeouts", "Runs that did not end in time.", { unit: "short", min: 0 }, [
      { expr: rises("signalbox_experience_timeouts_total"), legendFormat },
    ]),
    course("Late ends", "Runs that ended after they had timed out.", { unit: "short", min: 0 }, [
      { expr: rises("signalbox_experience_late_ends_total"), legendFormat },
    ]),
    course("Lateness, p90", "How long after its deadline a run ended that had timed out.", { unit: "s", min: 0 }, [
      {
        expr: `histogram_quantile(0.9, sum by (le, covered_experience_id) (rate(signalbox_experience_lateness_seconds_bucket{${ours}}[$__rate_interval])))\n${inCategory(names)}`,
        legendFormat,
      },
    ]),
    course("Discards", "Runs that count neither as success nor as failure.", { unit: "short", min: 0 }, [
      { expr: rises("signalbox_experience_discards_total"), legendFormat },
    ]),
  ];
}

function course(title: string, description: string, defaults: object, targets: readonly Target[]): Panel {
  return {
    type: "timeseries",
    title,
    description,
    width: 12,
    height: 8,
    targets,
    fieldConfig: { defaults: { custom: { fillOpacity: 5, showPoints: "never" }, ...defaults }, overrides: [] },
    options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
  };
}
