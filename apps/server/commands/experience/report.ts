import { type Command, Option } from "commander";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  readCommandConfig,
  type Terminal,
  table,
} from "../command.js";
import { at, items, text } from "../shapes.js";
import { withExperienceApi } from "./api.js";

interface ReportOptions extends ConfigOptions, JsonOption {
  readonly window: string;
  readonly by: keyof typeof reports;
}

interface Report {
  readonly path: string;
  /** In the query, besides the window. */
  readonly query?: Readonly<Record<string, string>>;
  /** Of the lists in the answer. */
  readonly rows: string;
  readonly columns: readonly (readonly [head: string, cellOf: (row: unknown) => string])[];
}

const number =
  (...path: string[]) =>
  (row: unknown): string =>
    text(row, ...path);
const percent =
  (...path: string[]) =>
  (row: unknown): string => {
    const value = at(row, ...path);
    return typeof value === "number" ? `${Number((value * 100).toFixed(3))} %` : "";
  };

const runColumns: Report["columns"] = [
  ["OPERATIONS", number("operations")],
  ["ERRORS", number("errors")],
  ["TIMEOUTS", number("timeouts")],
  ["APDEX", percent("apdex_ratio")],
  ["ERROR RATIO", percent("error_ratio")],
  ["AVAILABILITY", percent("availability")],
  ["ERROR BUDGET LEFT", percent("error_budget_remaining")],
  ["APDEX BUDGET LEFT", percent("apdex_budget_remaining")],
];

/** What a row may stand for. Rows come in the order of the server: what needs to be looked at first is first. */
const reports = {
  experience: {
    path: "experiences",
    rows: "experiences",
    columns: [["EXPERIENCE", number("covered_experience_id")], ...runColumns],
  },
  category: {
    path: "feature-categories",
    rows: "feature_categories",
    columns: [["CATEGORY", number("feature_category")], ...runColumns, ["MINUTES SPENT", number("spent_minutes")]],
  },
  journey: { path: "experiences", rows: "journeys", columns: [["JOURNEY", number("journey")], ...runColumns] },
  producer: {
    path: "experiences",
    query: { by: "producer" },
    rows: "producers",
    columns: [
      ["PRODUCER", number("producer")],
      ["CHECKPOINTS", number("checkpoints")],
      ["ODD ONES", percent("anomalous_ratio")],
      ["STARTS", number("starts")],
      ["ENDS", number("ends")],
      ["LAST HOUR", number("last_hour", "checkpoints")],
      ["COUNTED", (row) => (at(row, "counted") === false ? "no" : "yes")],
    ],
  },
} as const satisfies Readonly<Record<string, Report>>;

export function addReport(experience: Command, terminal: Terminal): void {
  const report = defineCommand(
    experience,
    "report",
    "tell how journeys went: operations, errors, apdex, budgets, the smallest budget first",
    "signalbox experience report --window 28d --by category",
  )
    .addOption(new Option("--window <time>", "time until now").choices(["7d", "28d"]).default("28d"))
    .addOption(new Option("--by <what>", "what a row stands for").choices(Object.keys(reports)).default("experience"));
  addJsonOption(addConfigOptions(report)).action(async (options: ReportOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    await withExperienceApi({ config, terminal }, async (api) => {
      const { path, rows, columns, query = {} }: Report = reports[options.by];
      const search = new URLSearchParams({ window: options.window, ...query });
      const found = items(await api.ask("GET", `/reports/${path}?${search}`), rows);
      if (options.json) terminal.out(JSON.stringify(found, null, 2));
      else
        terminal.out(
          table(
            columns.map(([head]) => head),
            found.map((row) => columns.map(([, cellOf]) => cellOf(row))),
          ),
        );
    });
  });
}
