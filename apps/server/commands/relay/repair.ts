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
import { at, items, text, texts } from "../shapes.js";
import { withRunningRelay } from "./api.js";

interface RepairOptions extends ConfigOptions, JsonOption {
  readonly relay?: string;
  readonly policy?: boolean;
  readonly dryRun?: boolean;
}

export function addRepair(relay: Command, terminal: Terminal): void {
  const repair = defineCommand(
    relay,
    "repair",
    "forget what is held against a peer and sync everything of it anew; or list what the policy would refuse today",
    "signalbox relay repair --relay wss://relay.example --dry-run",
  )
    .option("--relay <url>", "address of the peer")
    .option("--policy", "with --dry-run: list stored events that would be refused today; none is ever removed")
    .option("--dry-run", "only say what would be done");
  addJsonOption(addConfigOptions(repair)).action(async (options: RepairOptions) => {
    const { relay: peer, policy = false, dryRun = false } = options;
    if ((peer === undefined) === !policy || (policy && !dryRun))
      repair.error("error: give either --relay <url>, or --policy with --dry-run");
    const { values: config } = readCommandConfig(terminal, options);
    const done = await withRunningRelay({ config, terminal }, (api) =>
      policy ? api.ask("GET", "/policy/review") : api.ask("POST", "/repair", { relay: peer, dry_run: dryRun }),
    );
    if (options.json) return terminal.out(JSON.stringify(done, null, 2));
    for (const line of policy ? describeReview(done) : describeRepair(done)) terminal.out(line);
  });
}

function* describeRepair(done: unknown): Generator<string> {
  yield `${text(done, "relay")}${at(done, "dry_run") === true ? ", nothing is done yet" : ""}`;
  for (const action of texts(done, "actions")) yield `  ${action}`;
}

function* describeReview(review: unknown): Generator<string> {
  const unfit = items(review, "unfit");
  for (const event of unfit) yield `${text(event, "event_id")}  kind ${text(event, "kind")}  ${text(event, "message")}`;
  const end = at(review, "is_cut") === true ? "; there may be more" : "";
  yield `${unfit.length} of ${text(review, "checked")} stored events would be refused today${end}`;
}
