import { readFile } from "node:fs/promises";
import { type Change, compareRules, type RuleFormat } from "@signalbox/experience-tracker/rules";
import { errorMessage } from "@signalbox/kernel";
import { type Command, Option } from "commander";
import { oneLine } from "../../printable.js";
import {
  addConfigOptions,
  CommandFailed,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  readCommandConfig,
  type Terminal,
} from "../command.js";
import { deliver, generatedFile, generatedPart } from "./generated.js";

interface RulesOptions extends ConfigOptions, JsonOption {
  readonly format: Exclude<RuleFormat, "grafana">;
  readonly experience?: string;
  readonly out?: string;
  readonly diff?: string;
}

export function addRules(experience: Command, terminal: Terminal): void {
  const rules = defineCommand(
    experience,
    "rules",
    "print recording rules, alerts or objectives made from the definition files, as the server serves them",
    "signalbox experience rules --out /etc/prometheus/rules/experiences.yml",
  )
    .addOption(new Option("--format <format>", "for whom").choices(["prometheus", "openslo"]).default("prometheus"))
    .addOption(
      new Option("--experience <id>", "only the budgets and alerts of this experience").conflicts(["format", "diff"]),
    )
    .option("--out <file>", "write this file instead of printing")
    .addOption(
      new Option("--diff <file>", "print what differs from this file; exit code 1 when something does").conflicts(
        "out",
      ),
    )
    .option("--json", "print what differs as JSON");
  addConfigOptions(rules).action(async ({ format, experience, out, diff, json, ...options }: RulesOptions) => {
    if (json && diff === undefined) rules.error("error: --json needs --diff <file>", { exitCode: 2 });
    const { values } = readCommandConfig(terminal, options);
    if (experience !== undefined) return deliver(await generatedPart(experience, values, terminal), out, terminal);
    const text = await generatedFile(format, values, terminal);
    if (diff === undefined) return deliver(text, out, terminal);
    const changes = await changesFrom(diff, text, terminal);
    if (json) terminal.out(JSON.stringify(changes, null, 2));
    else for (const line of changes.flatMap(linesOf)) terminal.out(line);
    if (changes.length > 0) throw new CommandFailed();
  });
}

async function changesFrom(file: string, text: string, terminal: Terminal): Promise<Change[]> {
  try {
    return compareRules(await readFile(file, "utf8"), text);
  } catch (error) {
    terminal.err(`${file} cannot be compared: ${errorMessage(error)}`);
    throw new CommandFailed();
  }
}

const signs = { added: "+", removed: "-", changed: "~" } as const;

function linesOf({ kind, what, details }: Change): string[] {
  return [`${signs[kind]} ${what}`, ...details.map((detail) => `    ${detail}`)].map(oneLine);
}
