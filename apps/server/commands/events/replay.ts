import { readFileSync } from "node:fs";
import { systemClock } from "@signalbox/kernel";
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
  wholeNumber,
} from "../command.js";
import { at, count, items, text } from "../shapes.js";
import { type EventsApi, withEventsApi } from "./api.js";
import { confirm } from "./confirm.js";
import { addSelectionOptions, filterOf, type SelectionOptions } from "./selection.js";

interface ReplayOptions extends ConfigOptions, JsonOption, SelectionOptions {
  readonly dryRun?: boolean;
  readonly rate?: number;
  readonly limit?: number;
  readonly force?: boolean;
  readonly yes?: boolean;
}

/** More letters than this are a matter of trust in the subscriber. */
const manyLetters = 100;
const proofsFile = "event-proofs.json";
const pollMs = 200;

export function addReplay(events: Command, terminal: Terminal): void {
  const replay = defineCommand(
    events,
    "replay",
    "give dead letters to their subscribers again",
    "signalbox events replay --group 9f86d081884c7d65 --rate 20 --yes",
  )
    .argument("[ids...]", "letters, as `events dead` lists them")
    .option("--dry-run", "change nothing; say what would happen")
    .option("--rate <count>", "letters a second", wholeNumber(1, 100_000))
    .option("--limit <count>", "most letters that are replayed", wholeNumber(1, 10_000))
    .option("--force", "also what was replayed as often as allowed")
    .option("--yes", "do not ask");
  addSelectionOptions(replay);
  addJsonOption(addConfigOptions(replay)).action(async (ids: string[], options: ReplayOptions, command: Command) => {
    const filter = filterOf(options);
    const hasFilter = Object.keys(filter).length > 0;
    if (ids.length === 0 && !hasFilter)
      command.error("error: name dead letters, or give a filter such as --group or --subscription", { exitCode: 2 });
    if (ids.length > 0 && hasFilter) command.error("error: ids and filters exclude each other", { exitCode: 2 });
    const { values: config } = readCommandConfig(terminal, options);
    const selection = ids.length > 0 ? { ids } : { filter };
    await withEventsApi({ config, terminal }, (api) => perform(api, selection, options, terminal));
  });
}

type Selection = { readonly ids: readonly string[] } | { readonly filter: Readonly<Record<string, string>> };

async function perform(
  api: EventsApi,
  selection: Selection,
  { dryRun, rate, limit, force, yes, json }: ReplayOptions,
  terminal: Terminal,
): Promise<void> {
  const body = { ...selection, ...(limit !== undefined && { limit }) };
  const preview = await api.ask("POST", "/dead/replay", { ...body, dryRun: true });
  if (dryRun) {
    if (json) terminal.out(JSON.stringify(preview, null, 2));
    else for (const line of previewLines(preview)) terminal.out(line);
    return;
  }
  const matched = count(preview, "would_replay") + items(preview, "would_fail").length;
  if (matched > 0 && yes !== true) {
    for (const line of await trustLines(api, selection, matched)) terminal.err(line);
    await confirm(terminal, `Replay ${matched} dead ${matched === 1 ? "letter" : "letters"}?`);
  }
  const begun = await api.ask("POST", "/dead/replay", {
    ...body,
    ...(rate !== undefined && { ratePerSecond: rate }),
    ...(force && { force }),
  });
  const ended = await untilHandedOver(api, begun);
  if (json) terminal.out(JSON.stringify(ended, null, 2));
  else
    terminal.out(
      `Replayed ${text(ended, "replayed")} of ${text(ended, "matched")} dead letters (replay ${text(ended, "id")})`,
    );
  if (text(ended, "state") === "done") return;
  terminal.err(`The replay broke off: ${text(ended, "error") || text(ended, "state")}`);
  throw new CommandFailed();
}

/** What becomes of the letters afterwards is for their subscribers, which may not be running. */
async function untilHandedOver(api: EventsApi, begun: unknown): Promise<unknown> {
  let operation = begun;
  while (text(operation, "state") === "running") {
    await systemClock.sleep(pollMs);
    operation = await api.ask("GET", `/replays/${text(begun, "id")}`);
  }
  return operation;
}

function* previewLines(preview: unknown): Generator<string> {
  yield `${text(preview, "would_replay")} dead letters would be replayed`;
  for (const failure of items(preview, "would_fail"))
    yield `${text(failure, "id")} could not be read by its subscriber: ${text(failure, "code")} ${text(failure, "pointer")}`.trimEnd();
  if (at(preview, "over_limit") === true) yield "More letters match than would be replayed at once";
}

/** Says which subscribers have not been shown to bear repetition, when there is much of it. */
async function trustLines(api: EventsApi, selection: Selection, matched: number): Promise<string[]> {
  if (matched <= manyLetters) return [];
  const letters =
    "ids" in selection
      ? selection.ids.map((id) => id.slice(id.indexOf(".") + 1))
      : (await api.list(`/dead?${new URLSearchParams({ ...selection.filter, state: "dead" })}`, matched)).map(
          (letter) => text(letter, "subscription"),
        );
  const proven = provenSubscribers();
  const subscribers = new Set(letters.map((subscription) => subscription.split("/")[0] ?? ""));
  return [...subscribers]
    .filter((name) => !proven.has(name))
    .map((name) => `${proofsFile} holds no proof that ${name} bears getting an event twice`);
}

function provenSubscribers(): ReadonlySet<string> {
  try {
    return new Set(Object.keys(JSON.parse(readFileSync(proofsFile, "utf8"))));
  } catch {
    return new Set();
  }
}
