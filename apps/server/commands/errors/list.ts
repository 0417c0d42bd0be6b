import type { Command } from "commander";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  parseCount,
  parseId,
  readCommandConfig,
  type Terminal,
  table,
} from "../command.js";
import { count, text } from "../shapes.js";
import { withErrorsApi } from "./api.js";

interface ListOptions extends ConfigOptions, JsonOption {
  readonly project: number;
  readonly query?: string;
  readonly limit: number;
}

interface ShowOptions extends ConfigOptions {
  readonly json?: boolean;
  readonly project: number;
}

/** `list` and `show`. */
export function addList(errors: Command, terminal: Terminal): void {
  const list = defineCommand(
    errors,
    "list",
    "list the errors of a project, the last seen first",
    "signalbox errors list --project 1 --query 'is:unresolved release:latest'",
  )
    .requiredOption("--project <id>", "number of the project", parseId)
    .option("--query <query>", "terms as in the search of the dashboard")
    .option("--limit <number>", "how many at most", parseCount, 20);
  addJsonOption(addConfigOptions(list)).action(async (options: ListOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    const query = options.query === undefined ? "" : `?query=${encodeURIComponent(options.query)}`;
    const found = await withErrorsApi({ config, terminal }, (api) =>
      api.list(`/projects/${options.project}/errors${query}`, options.limit),
    );
    if (options.json) return terminal.out(JSON.stringify(found, null, 2));
    const rows = found.map((error) => [
      text(error, "fingerprint"),
      text(error, "status"),
      String(count(error, "event_count")),
      String(count(error, "approximated_user_count")),
      text(error, "last_seen_at"),
      text(error, "title"),
    ]);
    terminal.out(table(["ID", "STATUS", "EVENTS", "USERS", "LAST SEEN", "TITLE"], rows));
  });

  const show = defineCommand(
    errors,
    "show",
    "show an error with its newest event",
    "signalbox errors show 42 --project 1",
  )
    .argument("<error>", "number of the error", parseId)
    .requiredOption("--project <id>", "number of the project", parseId);
  addJsonOption(addConfigOptions(show)).action(async (id: number, options: ShowOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    const address = `/projects/${options.project}/errors/${id}`;
    const shown = await withErrorsApi({ config, terminal }, (api) =>
      api.ask("GET", options.json ? address : `${address}.md`),
    );
    terminal.out(options.json ? JSON.stringify(shown, null, 2) : String(shown).trimEnd());
  });
}
