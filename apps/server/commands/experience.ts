import { readFile } from "node:fs/promises";
import {
  createRegistry,
  type DefinitionFault,
  type DefinitionOptions,
  type FileReading,
  parseYaml,
  readDefinitionFolder,
  type TimeoutOverrides,
  urgencies,
} from "@signalbox/experience";
import { errorMessage } from "@signalbox/kernel";
import type { Command } from "commander";
import type { ServerConfig } from "../config.js";
import {
  addConfigOptions,
  addJsonOption,
  CommandFailed,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  readCommandConfig,
  type Terminal,
  table,
} from "./command.js";

type ListOptions = ConfigOptions & JsonOption;

interface CheckOptions extends ListOptions {
  readonly definitions?: string;
  readonly categories?: string;
  readonly strict?: boolean;
}

export function addExperienceCommand(program: Command, terminal: Terminal): void {
  const experience = defineCommand(
    program,
    "experience",
    "look at the definitions of experiences",
    "signalbox experience definitions",
  );

  const definitions = defineCommand(
    experience,
    "definitions",
    "list the definitions, as the files have them now",
    "signalbox experience definitions --json",
  );
  addJsonOption(addConfigOptions(definitions)).action(async (options: ListOptions) => {
    const { values } = readCommandConfig(terminal, options);
    const { definitions: directory, featureCategories } = values.experience;
    const rows = await definitionRows(directory, {
      ...(await categoriesOf(featureCategories, terminal)),
      timeouts: timeoutsOf(values),
    });
    if (options.json) terminal.out(JSON.stringify(rows, null, 2));
    else
      terminal.out(
        table(
          ["ID", "CATEGORY", "URGENCY", "THRESHOLD", "TIMEOUT", "APDEX", "ERRORS", "VERSION", "STATE"],
          rows.map((row) => [
            row.id,
            row.feature_category ?? "",
            row.urgency ?? "",
            row.threshold_s === undefined ? "" : `${row.threshold_s} s`,
            row.timeout_s === undefined ? "" : `${row.timeout_s} s`,
            row.slo ? `${row.slo.apdex_pct} %` : "",
            row.slo ? `${row.slo.error_pct} %` : "",
            row.version ?? "",
            row.state,
          ]),
        ),
      );
  });

  const check = defineCommand(
    experience,
    "check",
    "say what is wrong with definition files; needs no server",
    "signalbox experience check --definitions config/covered_experiences --strict",
  );
  check
    .option("--definitions <directory>", "folder of the files (default: the configured one)")
    .option("--categories <file>", "YAML list of feature categories (default: the configured one)")
    .option("--strict", "unknown keys are errors");
  addJsonOption(addConfigOptions(check)).action(async (options: CheckOptions) => {
    const { values } = readCommandConfig(terminal, options);
    const directory = options.definitions ?? values.experience.definitions;
    const { found, files } = await readDefinitionFolder(directory, {
      ...(await categoriesOf(options.categories ?? values.experience.featureCategories, terminal)),
      timeouts: timeoutsOf(values),
      strict: options.strict ?? false,
    });
    if (!found) {
      terminal.err(`There is no folder ${directory}.`);
      throw new CommandFailed();
    }
    const faults = files.flatMap(faultsOf);
    const errors = faults.filter(({ severity }) => severity === "error");
    if (options.json)
      terminal.out(JSON.stringify({ valid: errors.length === 0, files: files.length, faults }, null, 2));
    else if (faults.length > 0)
      terminal.out(
        table(
          ["FILE", "FIELD", "SEVERITY", "MESSAGE"],
          faults.map(({ file, field, severity, message }) => [file, field, severity, message]),
        ),
      );
    else terminal.out(`${files.length} definitions, all valid`);
    if (errors.length > 0) throw new CommandFailed();
  });
}

interface Fault {
  readonly file: string;
  readonly field: string;
  readonly severity: "error" | "warning";
  readonly message: string;
}

function faultsOf({ file, reading }: FileReading): Fault[] {
  const as =
    (severity: Fault["severity"]) =>
    (fault: DefinitionFault): Fault => ({ file, severity, ...fault });
  const errors = reading.kind === "invalid" ? reading.errors.map(as("error")) : [];
  const known = new Set(errors.map(({ field }) => field));
  return [...errors, ...reading.warnings.filter(({ field }) => !known.has(field)).map(as("warning"))];
}

interface DefinitionRow {
  readonly id: string;
  readonly state: "valid" | "invalid";
  readonly version?: string;
  readonly feature_category?: string;
  readonly urgency?: string;
  readonly threshold_s?: number;
  readonly timeout_s?: number;
  readonly slo?: { readonly apdex_pct: number; readonly error_pct: number };
}

async function definitionRows(directory: string, options: DefinitionOptions): Promise<DefinitionRow[]> {
  const { files } = await readDefinitionFolder(directory, options);
  const valid = files.flatMap(({ reading }) => (reading.kind === "valid" ? [reading.definition] : []));
  const rows = createRegistry(valid).definitions.map(
    (definition): DefinitionRow => ({
      id: definition.id,
      state: "valid",
      version: definition.version,
      feature_category: definition.featureCategory,
      urgency: definition.urgency,
      threshold_s: definition.thresholdMs / 1000,
      timeout_s: definition.timeoutMs / 1000,
      slo: { apdex_pct: definition.slo.apdexPct, error_pct: definition.slo.errorPct },
    }),
  );
  const invalid = files.filter(({ reading }) => reading.kind === "invalid");
  return [...rows, ...invalid.map(({ id }): DefinitionRow => ({ id, state: "invalid" }))];
}

async function categoriesOf(
  file: string | undefined,
  terminal: Terminal,
): Promise<Pick<DefinitionOptions, "featureCategories">> {
  if (file === undefined) return {};
  try {
    const reading = parseYaml(await readFile(file, "utf8"));
    if (reading.kind === "failed") throw new Error(reading.message);
    if (!Array.isArray(reading.value)) throw new Error("it is no list");
    return { featureCategories: new Set(reading.value.filter((item) => typeof item === "string")) };
  } catch (error) {
    terminal.err(`The feature categories in ${file} cannot be read: ${errorMessage(error)}`);
    throw new CommandFailed();
  }
}

function timeoutsOf({ experience }: ServerConfig): TimeoutOverrides {
  const given = new Map(Object.entries(experience.timeouts ?? {}));
  return Object.fromEntries(
    urgencies.flatMap((urgency) => {
      const seconds = given.get(urgency);
      return typeof seconds === "number" ? [[urgency, seconds * 1000]] : [];
    }),
  );
}
