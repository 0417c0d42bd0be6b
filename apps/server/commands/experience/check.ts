import { type DefinitionFault, type FileReading, readDefinitionFolder } from "@signalbox/experience";
import type { Command } from "commander";
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
} from "../command.js";
import { categoriesOf, timeoutsOf } from "./definition-options.js";

interface CheckOptions extends ConfigOptions, JsonOption {
  readonly definitions?: string;
  readonly categories?: string;
  readonly strict?: boolean;
}

export function addCheck(experience: Command, terminal: Terminal): void {
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
