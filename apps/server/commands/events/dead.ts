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
  table,
  wholeNumber,
} from "../command.js";
import { at, items, paragraph, text, texts } from "../shapes.js";
import { type EventsApi, withEventsApi } from "./api.js";
import { addSelectionOptions, filterOf, type SelectionOptions } from "./selection.js";

interface DeadOptions extends ConfigOptions, JsonOption, SelectionOptions {
  readonly state?: string;
  readonly groups?: boolean;
  readonly audit?: boolean;
  readonly discard?: boolean;
  readonly reason?: string;
  readonly limit: number;
}

export function addDead(events: Command, terminal: Terminal): void {
  const dead = defineCommand(
    events,
    "dead",
    "list, show, group and discard deliveries that were given up",
    "signalbox events dead --groups --since 24h",
  )
    .argument("[id]", "show this letter")
    .option("--state <state>", "only letters in this state: dead, replaying, resolved, discarded, expired")
    .option("--groups", "group failures that look the same")
    .option("--discard", "give the letter, or those that match, up for good; needs --reason")
    .option("--reason <text>", "with --discard why; else only what was given up for this reason")
    .option("--audit", "show who replayed and discarded what")
    .option("--limit <count>", "most letters that are listed", wholeNumber(1, 100_000), 100);
  addSelectionOptions(dead);
  addJsonOption(addConfigOptions(dead)).action(
    async (id: string | undefined, options: DeadOptions, command: Command) => {
      if (options.discard && options.reason === undefined)
        command.error("error: --discard needs --reason <text>", { exitCode: 2 });
      if ([options.groups, options.audit, options.discard].filter(Boolean).length > 1)
        command.error("error: --groups, --audit and --discard exclude each other", { exitCode: 2 });
      const { values: config } = readCommandConfig(terminal, options);
      await withEventsApi({ config, terminal }, (api) => perform(api, id, options, terminal));
    },
  );
}

async function perform(
  api: EventsApi,
  id: string | undefined,
  options: DeadOptions,
  terminal: Terminal,
): Promise<void> {
  const print = (value: unknown, lines: () => Iterable<string>): void => {
    if (options.json) terminal.out(JSON.stringify(value, null, 2));
    else for (const line of lines()) terminal.out(line);
  };
  /** For a person; what is piped has lines of one kind only. */
  const advise = (advice: string): void => {
    if (terminal.isTerminal && !options.json) terminal.out(`\n${advice}`);
  };
  if (options.audit) {
    const operations = await api.list("/dead/audit", options.limit);
    print(operations, () => auditLines(operations));
    return;
  }
  if (options.discard) {
    const selection = id === undefined ? { filter: filterOf(options) } : { ids: [id] };
    const done = await api.ask("POST", "/dead/discard", { ...selection, reason: options.reason });
    print(done, () => [`Discarded ${text(done, "replayed")} dead letters`]);
    return;
  }
  if (id !== undefined) {
    const letter = await api.find(`/dead/${encodeURIComponent(id)}`);
    if (letter === undefined) {
      terminal.err(`There is no dead letter ${id}`);
      throw new CommandFailed();
    }
    print(letter, () => letterLines(letter));
    return;
  }
  const { reason, state } = options;
  const query = new URLSearchParams(filterOf(options, { reason, state }));
  if (options.groups) {
    const limit = String(Math.min(options.limit, 100));
    const groups = items(await api.ask("GET", `/dead/groups?${new URLSearchParams([...query, ["limit", limit]])}`));
    print(groups, () => (groups.length === 0 ? [nothingFound(query)] : groupLines(groups)));
    if (groups.length > 0) advise("signalbox events replay --group GROUP handles the letters of a group again");
  } else {
    const letters = await api.list(`/dead?${query}`, options.limit);
    print(letters, () => (letters.length === 0 ? [nothingFound(query)] : listLines(letters)));
    if (letters.length > 0)
      advise("signalbox events dead ID shows one with its event and its attempts, events replay ID handles it again");
  }
}

function nothingFound(query: URLSearchParams): string {
  return query.size === 0 ? "There are no dead letters" : "There are no such dead letters";
}

function listLines(letters: readonly unknown[]): string[] {
  const rows = letters.map((letter) => [
    text(letter, "id"),
    text(letter, "state"),
    text(letter, "reason"),
    text(letter, "dead_at"),
    errorText(at(letter, "error")),
  ]);
  return [table(["ID", "STATE", "REASON", "SINCE", "ERROR"], rows)];
}

function groupLines(groups: readonly unknown[]): string[] {
  const rows = groups.map((group) => [
    text(group, "fingerprint"),
    text(group, "count"),
    text(group, "first_dead_at"),
    text(group, "last_dead_at"),
    texts(group, "subscriptions").join(", "),
    text(group, "sample_id"),
  ]);
  return [table(["GROUP", "COUNT", "FIRST", "LAST", "SUBSCRIPTIONS", "SAMPLE"], rows)];
}

function auditLines(operations: readonly unknown[]): string[] {
  if (operations.length === 0) return ["Nothing was done yet"];
  const rows = operations.map((one) => [
    text(one, "started_at"),
    text(one, "kind"),
    text(one, "actor"),
    text(one, "state"),
    text(one, "replayed"),
    text(one, "subscriber") || JSON.stringify(at(one, "selection") ?? null),
    text(one, "reason"),
  ]);
  return [table(["WHEN", "WHAT", "WHO", "STATE", "COUNT", "OF", "REASON"], rows)];
}

function* letterLines(letter: unknown): Generator<string> {
  const rows = ["id", "state", "reason", "first_failed_at", "dead_at", "replay_count", "last_replayed_at", "note"];
  const facts = rows.map((name) => [name.replaceAll("_", " "), text(letter, name)]).filter(([, value]) => value !== "");
  const [, ...lines] = table(
    ["", ""],
    [...facts, ["group", text(letter, "fingerprint")], ["correlation", text(letter, "correlation_id")]],
  ).split("\n");
  yield* lines;
  yield "";
  yield paragraph(letter, "error", "stack") || errorText(at(letter, "error"));
  for (const attempt of items(letter, "attempts"))
    yield `  at ${text(attempt, "at")}: ${errorText(at(attempt, "error"))}`;
  yield "";
  yield JSON.stringify(at(letter, "event"), null, 2);
}

function errorText(error: unknown): string {
  const name = [text(error, "class"), text(error, "code")].filter((word) => word !== "").join(" ");
  return `${name}: ${text(error, "message")}`;
}
