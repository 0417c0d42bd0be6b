import type { Command } from "commander";
import { loadApp } from "../../load-app.js";
import { isRecord } from "../api.js";
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
import { at, count, items, text } from "../shapes.js";
import { withEventsApi } from "./api.js";

interface ListOptions extends ConfigOptions, JsonOption {
  readonly context?: string;
  readonly noise?: boolean;
  readonly orphans?: boolean;
  readonly app?: string;
}

const mostSubscribers = 10_000;

const legend = "(if): gets only the events that the condition of its subscription lets through";

export function addList(events: Command, terminal: Terminal): void {
  const list = defineCommand(
    events,
    "list",
    "list events, who subscribes to them, and what waits",
    "signalbox events list --noise",
  )
    .option("--context <name>", "only events and subscribers of this module")
    .option("--noise", "show what subscriptions have no use for, and what to do about it")
    .option("--orphans", "show only what was left behind by subscribers that there are not any more")
    .option("--app <module>", "of the program whose configure functions this module exports");
  addJsonOption(addConfigOptions(list)).action(async (options: ListOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    const configure = options.app === undefined ? undefined : (await loadApp(options.app)).configure;
    const withHistory = options.noise === true;
    await withEventsApi({ config, terminal, withHistory, ...(configure && { configure }) }, async (api) => {
      const manifest = await api.ask("GET", "/manifest");
      const queues = await api.list("/subscriptions", mostSubscribers);
      const shown = select({ manifest, queues }, options);
      if (options.json) terminal.out(JSON.stringify(shown, null, 2));
      else {
        for (const block of blocksOf(shown, options)) terminal.out(block);
        if (terminal.isTerminal && !options.orphans && !options.noise) terminal.out(`\n${legend}`);
      }
    });
  });
}

interface Shown {
  readonly events: readonly unknown[];
  readonly subscriptions: readonly unknown[];
  readonly queues: readonly unknown[];
}

function select(
  { manifest, queues }: { readonly manifest: unknown; readonly queues: readonly unknown[] },
  { context, orphans, noise }: ListOptions,
): Shown & Record<string, unknown> {
  const inContext = (name: string): boolean => context === undefined || name.startsWith(`${context}.`);
  return {
    ...(isRecord(manifest) ? manifest : {}),
    events: items(manifest, "events").filter((event) => inContext(text(event, "type"))),
    subscriptions: items(manifest, "subscriptions").filter(
      (one) => inContext(text(one, "event")) || inContext(text(one, "subscriber")),
    ),
    queues: queues
      .filter((queue) => inContext(text(queue, "subscriber")) && (orphans !== true || at(queue, "declared") === false))
      .map((queue) => (noise ? queue : withoutNoise(queue))),
  };
}

/** Figures that were not asked for are not looked up without a server, so they are not shown beside one either. */
function withoutNoise(queue: unknown): unknown {
  if (!isRecord(queue)) return queue;
  const subscriptions = items(queue, "subscriptions").map((one) => {
    const { noise: _, ...rest } = isRecord(one) ? one : {};
    return rest;
  });
  return { ...queue, subscriptions };
}

function* blocksOf(shown: Shown, options: ListOptions): Generator<string> {
  if (options.orphans) {
    yield shown.queues.length === 0 ? "Nothing was left behind" : queueTable(shown);
    return;
  }
  if (options.noise) {
    yield noiseTable(shown);
    return;
  }
  yield table(
    ["EVENT", "VERSION", "OWNER", "SUBSCRIBERS"],
    shown.events.map((event) => [
      text(event, "type"),
      text(event, "version"),
      text(event, "owner"),
      shown.subscriptions
        .filter((one) => text(one, "event") === text(event, "type"))
        .map((one) => `${text(one, "subscriber")}${at(one, "hasCondition") === true ? " (if)" : ""}`)
        .join(", ") || "none",
    ]),
  );
  yield "";
  yield queueTable(shown);
}

function queueTable({ queues }: Shown): string {
  return table(
    ["SUBSCRIBER", "STATE", "READY", "SCHEDULED", "RUNNING", "BLOCKED"],
    queues.map((queue) => [
      text(queue, "subscriber"),
      at(queue, "declared") === false ? "orphaned" : at(queue, "paused") === true ? "paused" : "active",
      ...["ready", "scheduled", "running", "blocked"].map((state) => text(queue, "depth", state)),
    ]),
  );
}

function noiseTable({ queues }: Shown): string {
  const rows = queues.flatMap((queue) =>
    items(queue, "subscriptions").map((one) => {
      if (at(one, "noise") === null) return [text(one, "id"), "", "", "", "", "the dispatch log cannot be read"];
      return [
        text(one, "id"),
        share(at(one, "noise", "condition_false_share")),
        `${count(one, "noise", "mean_condition_us").toFixed(1)} µs`,
        text(one, "noise", "runs"),
        share(at(one, "noise", "ignored_share")),
        text(one, "noise", "advice"),
      ];
    }),
  );
  return table(["SUBSCRIPTION", "TURNED AWAY", "CONDITION", "RUNS", "IGNORED", "ADVICE"], rows);
}

function share(value: unknown): string {
  return typeof value === "number" ? `${(value * 100).toFixed(1)} %` : "";
}
