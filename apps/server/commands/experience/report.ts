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
import { count, items, text } from "../shapes.js";
import { withExperienceApi } from "./api.js";

interface ReportOptions extends ConfigOptions, JsonOption {
  readonly window: string;
  readonly by: "experience" | "category";
}

/** What is printed of an experience, or of all those of a category together. Ratios are null without traffic. */
interface ReportRow {
  readonly name: string;
  readonly operations: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly apdex_ratio: number | null;
  readonly error_ratio: number | null;
  readonly availability: number | null;
}

export function addReport(experience: Command, terminal: Terminal): void {
  const report = defineCommand(
    experience,
    "report",
    "tell how journeys went: operations, errors, apdex, the least available first",
    "signalbox experience report --window 28d --by category",
  )
    .addOption(new Option("--window <time>", "time until now").choices(["7d", "28d"]).default("28d"))
    .addOption(
      new Option("--by <what>", "what a row stands for").choices(["experience", "category"]).default("experience"),
    );
  addJsonOption(addConfigOptions(report)).action(async (options: ReportOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    await withExperienceApi({ config, terminal }, async (api) => {
      const query = new URLSearchParams({ window: options.window });
      const found = items(await api.ask("GET", `/reports/experiences?${query}`), "experiences");
      const rows = rowsOf(found, options.by === "category" ? "feature_category" : "covered_experience_id");
      if (options.json) terminal.out(JSON.stringify(rows, null, 2));
      else terminal.out(table(headOf(options.by), rows.map(cellsOf)));
    });
  });
}

function rowsOf(found: readonly unknown[], nameField: string): ReportRow[] {
  const byName = new Map<string, unknown[]>();
  for (const row of found) {
    const name = text(row, nameField);
    byName.set(name, [...(byName.get(name) ?? []), row]);
  }
  return [...byName].map(([name, rows]) => sumOf(name, rows)).sort(leastAvailableFirst);
}

/** Sums are added, ratios follow from the sums: a mean of ratios would let a rare journey weigh as much as a busy one. */
function sumOf(name: string, rows: readonly unknown[]): ReportRow {
  const sum = (field: string): number => rows.reduce<number>((total, row) => total + count(row, field), 0);
  const [operations, errors] = [sum("operations"), sum("errors")];
  const [weight, success] = [sum("apdex_weight"), sum("apdex_success")];
  return {
    name,
    operations,
    errors,
    timeouts: sum("timeouts"),
    apdex_ratio: ratio(success, weight),
    error_ratio: ratio(errors, operations),
    availability: ratio(success + operations - errors, weight + operations),
  };
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : Number((part / whole).toFixed(5));
}

/** Without traffic there is nothing to look at. */
function leastAvailableFirst(a: ReportRow, b: ReportRow): number {
  return (a.availability ?? 2) - (b.availability ?? 2) || (a.name < b.name ? -1 : 1);
}

function headOf(by: ReportOptions["by"]): string[] {
  return [by.toUpperCase(), "OPERATIONS", "ERRORS", "TIMEOUTS", "APDEX", "ERROR RATIO", "AVAILABILITY"];
}

function cellsOf(row: ReportRow): string[] {
  const percent = (value: number | null): string => (value === null ? "" : `${Number((value * 100).toFixed(3))} %`);
  return [
    row.name,
    String(row.operations),
    String(row.errors),
    String(row.timeouts),
    percent(row.apdex_ratio),
    percent(row.error_ratio),
    percent(row.availability),
  ];
}
