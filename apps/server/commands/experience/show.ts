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
import { at, items, text, texts } from "../shapes.js";
import { withExperienceApi } from "./api.js";

export function addShow(experience: Command, terminal: Terminal): void {
  const show = defineCommand(
    experience,
    "show",
    "show one run: its verdict and every checkpoint on the way",
    "signalbox experience show create_merge_request 01JZ3V2M5T8Q4X9C7B6A1D0E2F",
  )
    .argument("<experience>", "id of the experience")
    .argument("<correlation>", "correlation id")
    .argument("[run]", "name of the run", "1");
  addJsonOption(addConfigOptions(show)).action(
    async (id: string, correlation: string, run: string, options: ConfigOptions & JsonOption) => {
      const { values: config } = readCommandConfig(terminal, options);
      await withExperienceApi({ config, terminal }, async (api) => {
        const found = await api.find(`/runs/${[id, correlation, run].map(encodeURIComponent).join("/")}`);
        if (found === undefined) {
          terminal.err(`There is no run ${run} of ${id} with the correlation id ${correlation}`);
          throw new CommandFailed();
        }
        if (options.json) terminal.out(JSON.stringify(found, null, 2));
        else for (const line of linesOf(found)) terminal.out(line);
      });
    },
  );
}

function* linesOf(run: unknown): Generator<string> {
  yield `${text(run, "covered_experience_id")} ${text(run, "correlation_id")} ${text(run, "run")}`;
  const reason = text(run, "verdict", "reason") || text(run, "verdict", "discard_reason");
  const threshold = seconds(at(run, "definition", "threshold_s"));
  const timeout = seconds(at(run, "definition", "timeout_s"));
  yield `${text(run, "state").replaceAll("_", " ")}${reason === "" ? "" : ` (${reason})`} after ${seconds(at(run, "elapsed_s")) || "an unknown time"}; satisfies within ${threshold}, fails after ${timeout}`;
  const seen = at(run, "last_seen");
  if (seen !== undefined && at(run, "verdict", "ended_at") === undefined)
    yield `last seen at ${text(seen, "category") || "a checkpoint without category"} in ${text(seen, "type")}, ${text(seen, "at")}`;
  const late = at(run, "late_end");
  if (late !== undefined)
    yield `its end came ${seconds(at(late, "lateness_s"))} too late, at ${text(late, "at")}: ${text(late, "outcome")}`;
  if (at(run, "verdict", "in_measurement_gap") === true) yield "checkpoints could not arrive for a part of that time";
  yield "";
  yield table(head, items(run, "timeline").map(rowOf));
}

const head = ["OCCURRED", "GAP", "CHECKPOINT", "CATEGORY", "TYPE", "SKEW", "OUTCOME", "ANOMALIES", "MESSAGE"];

function rowOf(entry: unknown): string[] {
  return [
    text(entry, "occurred_at"),
    seconds(at(entry, "gap_s")),
    at(entry, "applied") === false ? `${text(entry, "checkpoint")} (recorded only)` : text(entry, "checkpoint"),
    text(entry, "checkpoint_category"),
    text(entry, "type"),
    seconds(at(entry, "skew_s")),
    text(entry, "outcome"),
    texts(entry, "anomalies").join(", "),
    text(entry, "error_message"),
  ];
}
