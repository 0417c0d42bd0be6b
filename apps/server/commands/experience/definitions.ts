import { createRegistry, type DefinitionOptions, readDefinitionFolder } from "@signalbox/experience";
import type { Command } from "commander";
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
import { categoriesOf, timeoutsOf } from "./definition-options.js";

export function addDefinitions(experience: Command, terminal: Terminal): void {
  const definitions = defineCommand(
    experience,
    "definitions",
    "list the definitions, as the files have them now",
    "signalbox experience definitions --json",
  );
  addJsonOption(addConfigOptions(definitions)).action(async (options: ConfigOptions & JsonOption) => {
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
