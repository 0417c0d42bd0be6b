import { printConfig } from "@signalbox/kernel";
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
} from "./command.js";

export function build(config: Command, terminal: Terminal): void {
  const print = defineCommand(
    config,
    "print",
    "show the configuration in force, where each value comes from, secrets masked",
    "SIGNALBOX_LISTEN=0.0.0.0:8787 signalbox config print",
  );
  addJsonOption(addConfigOptions(print)).action((options: ConfigOptions & JsonOption) => {
    const rows = printConfig(readCommandConfig(terminal, options));
    if (options.json) terminal.out(JSON.stringify(rows, null, 2));
    else
      terminal.out(
        table(
          ["KEY", "VALUE", "SOURCE"],
          rows.map(({ key, value, source }) => [key, value, source]),
        ),
      );
  });
}
