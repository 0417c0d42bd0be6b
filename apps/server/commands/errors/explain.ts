import { type Command, InvalidArgumentError } from "commander";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  parseId,
  readCommandConfig,
  type Terminal,
} from "../command.js";
import { at, items, text } from "../shapes.js";
import { withErrorsApi } from "./api.js";

interface ExplainOptions extends ConfigOptions, JsonOption {
  readonly project: number;
}

/** `explain`. */
export function addExplain(errors: Command, terminal: Terminal): void {
  const explain = defineCommand(
    errors,
    "explain",
    "explain why an event is part of its error",
    "signalbox errors explain 8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f --project 1",
  )
    .argument("<event>", "id of the event: 32 hex digits", parseEventId)
    .requiredOption("--project <id>", "number of the project", parseId);
  addJsonOption(addConfigOptions(explain)).action(async (event: string, options: ExplainOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    const grouping = await withErrorsApi({ config, terminal }, (api) =>
      api.ask("GET", `/projects/${options.project}/errors/events/${encodeURIComponent(event)}/grouping`),
    );
    if (options.json) return terminal.out(JSON.stringify(grouping, null, 2));
    terminal.out(
      `Error ${text(grouping, "fingerprint")}, by ${text(grouping, "strategy")}, version ${text(grouping, "version")}`,
    );
    for (const hash of items(grouping, "hashes")) {
      terminal.out(`${text(hash, "hash")} (${text(hash, "variant")})`);
      for (const line of componentLines(at(hash, "explanation", "component"), "  ")) terminal.out(line);
    }
  });
}

function* componentLines(component: unknown, indent: string): Generator<string> {
  const token = text(component, "token") || text(component, "original");
  const hint = text(component, "hint");
  const mark = at(component, "contributes") === true ? "+" : "-";
  yield `${indent}${mark} ${text(component, "name")}${token === "" ? "" : `: ${token}`}${hint === "" ? "" : ` (${hint})`}`;
  for (const part of items(component, "parts")) yield* componentLines(part, `${indent}  `);
}

/** Also as a UUID is written, with dashes. */
function parseEventId(text: string): string {
  const id = text.replaceAll("-", "").toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(id)) throw new InvalidArgumentError("Not the id of an event: 32 hex digits.");
  return id;
}
