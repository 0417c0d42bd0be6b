import { type Command, InvalidArgumentError } from "commander";
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
import { seconds } from "../seconds.js";
import { at, items, text, texts } from "../shapes.js";
import { withExperienceApi } from "./api.js";

interface RunsOptions extends ConfigOptions, JsonOption {
  readonly state: string;
  readonly experience?: string;
  readonly limit: number;
}

const mostRuns = 500;

export function addRuns(experience: Command, terminal: Terminal): void {
  const runs = defineCommand(
    experience,
    "runs",
    "list runs, those that need a look first",
    "signalbox experience runs --state stale --experience create_merge_request",
  )
    .option("--state <states>", "open, stale, orphan, finished, or final states with commas", "open")
    .option("--experience <ids>", "only of these experiences, with commas")
    .option("--limit <runs>", `at most so many, up to ${mostRuns}`, parseLimit, 50);
  addJsonOption(addConfigOptions(runs)).action(async (options: RunsOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    await withExperienceApi({ config, terminal }, async (api) => {
      const query = new URLSearchParams({ state: options.state, limit: String(options.limit) });
      if (options.experience !== undefined) query.set("experience", options.experience);
      const page = await api.ask("GET", `/runs?${query}`);
      const found = items(page, "runs");
      if (options.json) {
        terminal.out(JSON.stringify(found, null, 2));
        return;
      }
      if (found.length === 0) terminal.out(`No run is ${options.state.replaceAll("_", " ")}`);
      else terminal.out(table(head, found.map(rowOf)));
      if (at(page, "next_cursor") !== undefined) terminal.out("There are more (--limit shows more of them)");
    });
  });
}

const head = ["EXPERIENCE", "CORRELATION", "RUN", "STATE", "STARTED", "ELAPSED", "DEADLINE", "WHY", "ANOMALIES"];

function rowOf(run: unknown): string[] {
  return [
    text(run, "covered_experience_id"),
    text(run, "correlation_id"),
    text(run, "run"),
    at(run, "overdue") === true ? `${text(run, "state")}, overdue` : text(run, "state"),
    text(run, "started_at"),
    seconds(at(run, "elapsed_s")),
    text(run, "deadline"),
    text(run, "verdict", "reason") || text(run, "verdict", "discard_reason"),
    texts(run, "anomalies").join(", "),
  ];
}

function parseLimit(given: string): number {
  const limit = Number(given);
  if (!/^[0-9]+$/.test(given) || limit < 1 || limit > mostRuns)
    throw new InvalidArgumentError(`A number from 1 to ${mostRuns}.`);
  return limit;
}
