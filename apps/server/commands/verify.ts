import { parseDuration } from "@signalbox/kernel";
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  addConfigOptions,
  addJsonOption,
  CommandFailed,
  type ConfigOptions,
  type JsonOption,
  parseId,
  readCommandConfig,
  type Terminal,
  table,
} from "./command.js";
import { withErrorsApi } from "./errors/api.js";
import { at, count, items, text } from "./shapes.js";

interface VerifyOptions extends ConfigOptions, JsonOption {
  readonly project?: number;
  readonly since: number;
  readonly repair?: boolean;
}

const dayMs = 86_400_000;

export function build(verify: Command, terminal: Terminal): void {
  verify
    .option("--project <id>", "only this project, without what belongs to none: bytes nobody needs, the queue", parseId)
    .addOption(
      new Option("--since <duration>", "what was received within this time").argParser(parseSince).default(dayMs, "1d"),
    )
    .option("--repair", "write rows and counters that are missing or wrong; deletes nothing");
  addJsonOption(addConfigOptions(verify)).action(async (options: VerifyOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    const body = {
      ...(options.project === undefined ? {} : { project: options.project }),
      since_s: Math.ceil(options.since / 1000),
      repair: options.repair === true,
    };
    const report = await withErrorsApi({ config, terminal }, (api) => api.ask("POST", "/errors/verify", body));
    if (options.json) terminal.out(JSON.stringify(report, null, 2));
    else show(terminal, report);
    if (at(report, "consistent") !== true) throw new CommandFailed();
  });
}

function show(terminal: Terminal, report: unknown): void {
  const checked = Object.entries(Object(at(report, "checked"))).map(([check, quantity]) => `${check} ${quantity}`);
  terminal.out(`Checked: ${checked.join(", ")}`);
  const findings = items(report, "findings");
  if (findings.length === 0) {
    terminal.out("Everything agrees");
    return;
  }
  const rows = findings.map((finding) => [
    text(finding, "check"),
    text(finding, "project_id") === "0" ? "-" : text(finding, "project_id"),
    at(finding, "repaired") === true ? "repaired" : "open",
    text(finding, "subject"),
    text(finding, "message"),
  ]);
  terminal.out(table(["CHECK", "PROJECT", "STATE", "WHAT", "WHY"], rows));
  const more = count(report, "total") - findings.length;
  if (more > 0) terminal.out(`and ${more} more`);
}

function parseSince(written: string): number {
  const ms = parseDuration(written);
  if (ms === undefined || ms < 1000) throw new InvalidArgumentError("Not a duration such as 24h or 7d.");
  return ms;
}
