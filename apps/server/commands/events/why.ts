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
} from "../command.js";
import { seconds } from "../seconds.js";
import { at, count, items, text } from "../shapes.js";
import { withEventsApi } from "./api.js";

interface WhyOptions extends ConfigOptions, JsonOption {
  readonly tree?: boolean;
}

export function addWhy(events: Command, terminal: Terminal): void {
  const why = defineCommand(
    events,
    "why",
    "explain who got an event, who did not and why",
    "signalbox events why 01JZ3V2M5T8Q4X9C7B6A1D0E2F --tree",
  )
    .argument("<event>", "id of the event")
    .option("--tree", "also show what was published while it was handled, and so on");
  addJsonOption(addConfigOptions(why)).action(async (id: string, options: WhyOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    await withEventsApi({ config, terminal, withHistory: true }, async (api) => {
      const explanation = await api.find(`/why/${encodeURIComponent(id)}`);
      if (explanation === undefined) {
        terminal.err(`Nothing is known of an event ${id}`);
        throw new CommandFailed();
      }
      if (options.json) terminal.out(JSON.stringify(explanation, null, 2));
      else for (const line of linesOf(explanation, options.tree === true)) terminal.out(line);
    });
  });
}

function* linesOf(explanation: unknown, tree: boolean): Generator<string> {
  yield* branchLines(explanation, "", tree);
  const children = items(explanation, "children").length;
  if (!tree && children > 0)
    yield `${children} ${children === 1 ? "event was" : "events were"} published while it was handled (--tree shows them)`;
  if (at(explanation, "truncated") === true) yield "There is more that it caused than is shown";
  if (text(explanation, "history") !== "read")
    yield "The dispatch log cannot be read: this is what queues and dead letters tell";
}

function* branchLines(branch: unknown, indent: string, tree: boolean): Generator<string> {
  const event = at(branch, "event");
  yield `${indent}${text(event, "type") || "an event of unknown type"} ${text(event, "id")}`;
  const published = text(event, "published_at");
  const caller = text(event, "root_caller");
  if (published === "") yield `${indent}  its publish is not in the dispatch log`;
  else
    yield `${indent}  published ${published}${caller === "" ? "" : ` by ${caller}`}, correlation ${text(event, "correlation_id")}`;
  const rows = items(branch, "subscriptions").map((one) => [
    text(one, "subscription").split("/")[0] || "nobody is subscribed",
    text(one, "outcome").replaceAll("_", " "),
    detailsOf(one),
  ]);
  if (rows.length > 0) {
    const [, ...lines] = table(["", "", ""], rows).split("\n");
    for (const line of lines) yield `${indent}  ${line}`;
  }
  if (!tree) return;
  for (const child of items(branch, "children")) yield* branchLines(child, `${indent}    `, tree);
}

function detailsOf(one: unknown): string {
  const parts: string[] = [];
  const outcome = text(one, "outcome");
  const attempts = items(one, "attempts");
  const last = attempts.at(-1);
  if (last !== undefined) {
    parts.push(`attempt ${text(last, "attempt")} took ${seconds(count(last, "duration_s"))}`);
    parts.push(`after ${seconds(count(last, "scheduling_latency_s"))}`);
    const error = at(last, "error");
    const name = [text(error, "class"), text(error, "code")].filter((word) => word !== "").join(" ");
    // What failed before it was replayed is not what became of it.
    if (name !== "" && outcome !== "delivered") parts.push(`${name}: ${text(error, "message")}`);
  }
  const due = text(one, "queued", "due_at") || text(one, "due_at");
  if (due !== "" && (outcome === "scheduled" || outcome === "retrying")) parts.push(`next at ${due}`);
  const letter = at(one, "dead_letter");
  if (count(letter, "replay_count") > 0) parts.push(`replayed ${text(letter, "replay_count")} times`);
  if (text(letter, "state") === "dead") parts.push(`dead letter ${text(letter, "id")} (${text(letter, "reason")})`);
  if (text(letter, "note") !== "") parts.push(text(letter, "note"));
  return parts.join(", ");
}
