import type { Command } from "commander";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  defineCommand,
  parseId,
  readCommandConfig,
  type Terminal,
} from "../command.js";
import { text } from "../shapes.js";
import { withErrorsApi } from "./api.js";

interface ResolveOptions extends ConfigOptions {
  readonly project: number;
  readonly release?: string;
  readonly next?: boolean;
  readonly json?: boolean;
}

/** `resolve`. */
export function addChange(errors: Command, terminal: Terminal): void {
  const resolve = defineCommand(
    errors,
    "resolve",
    "say that an error will not come again",
    "signalbox errors resolve 42 --project 1 --release shop@1.4.2",
  )
    .argument("<error>", "number of the error", parseId)
    .requiredOption("--project <id>", "number of the project", parseId)
    .option("--release <version>", "from this release on; events of older ones do not reopen it")
    .option("--next", "from the release on that comes next");
  addJsonOption(addConfigOptions(resolve)).action(async (id: number, options: ResolveOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    const resolveIn =
      options.release !== undefined ? { release: options.release } : options.next ? "next_release" : "now";
    const error = await withErrorsApi({ config, terminal }, (api) =>
      api.ask("PATCH", `/projects/${options.project}/errors/${id}`, { status: "resolved", resolve_in: resolveIn }),
    );
    if (options.json) return terminal.out(JSON.stringify(error, null, 2));
    terminal.out(`${text(error, "short_id")} is ${text(error, "status")}`);
  });
}
