import type { Command } from "commander";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  readCommandConfig,
  type Terminal,
} from "../command.js";
import { items, text } from "../shapes.js";
import { withRunningRelay } from "./api.js";

interface RepairOptions extends ConfigOptions, JsonOption {
  readonly relay: string;
  readonly dryRun?: boolean;
}

export function addRepair(relay: Command, terminal: Terminal): void {
  const repair = defineCommand(
    relay,
    "repair",
    "forget what is held against a peer, and sync everything of it anew",
    "signalbox relay repair --relay wss://relay.example --dry-run",
  )
    .requiredOption("--relay <url>", "address of the peer")
    .option("--dry-run", "only say what would be done");
  addJsonOption(addConfigOptions(repair)).action(async (options: RepairOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    const done = await withRunningRelay({ config, terminal }, (api) =>
      api.ask("POST", "/repair", { relay: options.relay, dry_run: options.dryRun ?? false }),
    );
    if (options.json) return terminal.out(JSON.stringify(done, null, 2));
    terminal.out(`${text(done, "relay")}${options.dryRun ? ", nothing is done yet" : ""}`);
    for (const action of items(done, "actions")) terminal.out(`  ${String(action)}`);
  });
}
