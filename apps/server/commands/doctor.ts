import { ConfigError } from "@signalbox/kernel";
import type { Command } from "commander";
import { examine } from "../doctor/examine.js";
import { broken, type Finding, ok } from "../doctor/finding.js";
import {
  addConfigOptions,
  addJsonOption,
  CommandFailed,
  type ConfigOptions,
  type JsonOption,
  readCommandConfig,
  type Terminal,
} from "./command.js";

const marks = { ok: "ok     ", warning: "warning", broken: "BROKEN " } as const;

export function build(doctor: Command, terminal: Terminal): void {
  addJsonOption(addConfigOptions(doctor)).action(async (options: ConfigOptions & JsonOption) => {
    const findings = await examineFrom(terminal, options);
    if (options.json) terminal.out(JSON.stringify(findings, null, 2));
    else for (const finding of findings) print(terminal, finding);
    if (findings.some(({ status }) => status === "broken")) throw new CommandFailed();
  });
}

async function examineFrom(terminal: Terminal, options: ConfigOptions): Promise<Finding[]> {
  const subject = "configuration";
  try {
    const config = readCommandConfig(terminal, options);
    return [ok(subject, "every key and value is right"), ...(await examine(config.values))];
  } catch (error) {
    // Without a configuration there is nothing else to look at.
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ key, source, value, expected }) => {
      const place = key === "" || key === source ? source : `${source}: ${key}`;
      return broken(subject, value === undefined ? place : `${place} is ${value}`, expected);
    });
  }
}

function print(terminal: Terminal, { subject, status, message, advice }: Finding): void {
  terminal.out(`${marks[status]}  ${subject}: ${message}`);
  if (advice !== undefined) terminal.out(`         → ${advice}`);
}
