import type { Command } from "commander";
import { addConfigOptions, type ConfigOptions, defineCommand, readCommandConfig, type Terminal } from "../command.js";
import { deliver, generatedFile } from "./generated.js";

interface DashboardOptions extends ConfigOptions {
  readonly out?: string;
}

export function addDashboard(experience: Command, terminal: Terminal): void {
  const dashboard = defineCommand(
    experience,
    "dashboard",
    "print a dashboard for Grafana, as the server serves it; it shows what the rules record",
    "signalbox experience dashboard --out experiences.json",
  ).option("--out <file>", "write this file instead of printing");
  addConfigOptions(dashboard).action(async ({ out, ...options }: DashboardOptions) => {
    const { values } = readCommandConfig(terminal, options);
    await deliver(await generatedFile("grafana", values, terminal), out, terminal);
  });
}
