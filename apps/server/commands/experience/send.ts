import { ulid } from "@signalbox/kernel";
import { type Command, Option } from "commander";
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
import { text, texts } from "../shapes.js";
import { withExperienceApi } from "./api.js";

interface SendOptions extends ConfigOptions, JsonOption {
  readonly checkpoint: string;
  readonly correlation?: string;
  readonly run?: string;
  readonly category?: string;
  readonly type: string;
  readonly outcome?: string;
  readonly error?: string;
}

export function addSend(experience: Command, terminal: Terminal): void {
  const send = defineCommand(
    experience,
    "send",
    "send one checkpoint by hand, as to end a run whose producer is gone",
    "signalbox experience send create_merge_request --checkpoint start",
  )
    .argument("<experience>", "id of the experience")
    .addOption(
      new Option("--checkpoint <kind>", "what happened")
        .choices(["start", "intermediate", "end"])
        .makeOptionMandatory(),
    )
    .option("--correlation <id>", "correlation id (default: a new one)")
    .option("--run <name>", "name of the run")
    .option("--category <name>", "category of the checkpoint")
    .option("--type <name>", "component that it comes from", "web")
    .addOption(new Option("--outcome <outcome>", "with an end").choices(["success", "error", "discarded"]))
    .option("--error <message>", "with an end: it failed, and why");
  addJsonOption(addConfigOptions(send)).action(async (id: string, options: SendOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    await withExperienceApi({ config, terminal }, async (api) => {
      const definition = await api.find(`/definitions/${encodeURIComponent(id)}`);
      if (definition === undefined) {
        terminal.err(`There is no definition of ${id}`);
        throw new CommandFailed();
      }
      const { checkpoint, category, run, type, outcome, error } = options;
      const answer = await api.ask("POST", "/checkpoints", {
        covered_experience_id: id,
        correlation_id: options.correlation ?? ulid(),
        checkpoint,
        type,
        feature_category: text(definition, "feature_category"),
        urgency: text(definition, "urgency"),
        client_timestamp: new Date().toISOString(),
        ...(category !== undefined && { checkpoint_category: category }),
        ...(run !== undefined && { run }),
        ...(outcome !== undefined && { outcome }),
        ...(error !== undefined && { error: true, error_message: error }),
      });
      if (options.json) terminal.out(JSON.stringify(answer, null, 2));
      else {
        const anomalies = texts(answer, "anomalies").join(", ");
        const odd = anomalies === "" ? "" : ` (${anomalies})`;
        terminal.out(`${text(answer, "correlation_id")} is ${text(answer, "state").replaceAll("_", " ")}${odd}`);
      }
    });
  });
}
