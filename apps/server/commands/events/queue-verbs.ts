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
} from "../command.js";
import { count, text } from "../shapes.js";
import { withEventsApi } from "./api.js";
import { confirm } from "./confirm.js";

type Options = ConfigOptions & JsonOption;

export function addQueueVerbs(events: Command, terminal: Terminal): void {
  addPause(
    events,
    terminal,
    "pause",
    "let the deliveries of a subscriber wait, in every process and until `resume`",
    "paused",
  );
  addPause(events, terminal, "resume", "let the deliveries of a subscriber be handled again", "resumed");
  addPurge(events, terminal);
}

function addPause(
  events: Command,
  terminal: Terminal,
  verb: "pause" | "resume",
  description: string,
  done: string,
): void {
  const command = defineCommand(events, verb, description, `signalbox events ${verb} error_tracking.digest`).argument(
    "<subscriber>",
    "name of the subscriber",
  );
  addJsonOption(addConfigOptions(command)).action(async (subscriber: string, options: Options) => {
    const { values: config } = readCommandConfig(terminal, options);
    await withEventsApi({ config, terminal }, (api) =>
      api.ask("POST", `/subscriptions/${encodeURIComponent(subscriber)}/${verb}`),
    );
    if (options.json) terminal.out(JSON.stringify({ subscriber, paused: verb === "pause" }));
    else terminal.out(`${subscriber} is ${done}`);
  });
}

function addPurge(events: Command, terminal: Terminal): void {
  const command = defineCommand(
    events,
    "purge",
    "delete what waits for a subscriber; it cannot be undone",
    "signalbox events purge ci.old_worker --yes",
  )
    .argument("<subscriber>", "name of the subscriber, also of one that there is not any more")
    .option("--yes", "do not ask");
  addJsonOption(addConfigOptions(command)).action(async (subscriber: string, options: Options & { yes?: boolean }) => {
    const { values: config } = readCommandConfig(terminal, options);
    await withEventsApi({ config, terminal }, async (api) => {
      const path = `/subscriptions/${encodeURIComponent(subscriber)}`;
      const queue = await api.find(path);
      if (queue === undefined) {
        terminal.err(`There is no subscriber ${subscriber}`);
        throw new CommandFailed();
      }
      const waiting = ["ready", "scheduled", "blocked"].reduce((sum, state) => sum + count(queue, "depth", state), 0);
      if (!options.yes) await confirm(terminal, `Delete ${waiting} deliveries of ${subscriber} for good?`);
      const removed = await api.ask("DELETE", `${path}/deliveries`);
      if (options.json) terminal.out(JSON.stringify({ subscriber, removed: count(removed, "removed") }));
      else terminal.out(`Deleted ${text(removed, "removed")} deliveries of ${subscriber}`);
    });
  });
}
