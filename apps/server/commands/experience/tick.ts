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
import { at, count } from "../shapes.js";
import { withExperienceApi } from "./api.js";

export function addTick(experience: Command, terminal: Terminal): void {
  const tick = defineCommand(
    experience,
    "tick",
    "close overdue runs now, where no reaper runs by itself",
    "signalbox experience tick",
  );
  addJsonOption(addConfigOptions(tick)).action(async (options: ConfigOptions & JsonOption) => {
    const { values: config } = readCommandConfig(terminal, options);
    await withExperienceApi({ config, terminal }, async (api) => {
      const result = await api.ask("POST", "/reaper/tick");
      if (options.json) {
        terminal.out(JSON.stringify(result, null, 2));
        return;
      }
      const rest = at(result, "remaining") === true ? "; more are overdue" : "";
      terminal.out(`${count(result, "expired")} runs closed${rest}`);
    });
  });
}
