import { type Command, Help, InvalidArgumentError, type Option } from "commander";
import { type ConfigSources, readServerConfig } from "../config.js";
import { oneLine } from "../printable.js";

/** What a command sees of the world outside. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isTerminal: boolean;
  /** Writes a line to standard output. */
  out(line: string): void;
  /** Writes a line to standard error. */
  err(line: string): void;
  /** Asks the person at the terminal; absent where there is none. */
  confirm?(question: string): Promise<boolean>;
  /** Tells a supervisor that the server takes requests. */
  ready(): void;
  /** Ends the process. */
  exit(exitCode: number): void;
  /** Ends the process when it cannot end by itself. */
  kill(): void;
}

/** Ends a command that has said itself what is wrong. */
export class CommandFailed extends Error {}

/** Adds a command. Each has an example in its help. */
export function defineCommand(parent: Command, name: string, description: string, example: string): Command {
  return parent.command(name).description(description).addHelpText("after", `\nExample:\n  $ ${example}`);
}

/** How the help describes an option: whoever reads it must see which ones cannot be left out. */
export function describeOption(option: Option): string {
  const description = Help.prototype.optionDescription.call(new Help(), option);
  return option.mandatory ? `${description} (required)` : description;
}

/** Options that every command with a configuration takes. */
export interface ConfigOptions {
  readonly config?: string;
  readonly dataDir?: string;
}

export function addConfigOptions(command: Command): Command {
  return command
    .option("--config <file>", "configuration file (default: signalbox.yaml, if there is one)")
    .option("--data-dir <directory>", "directory of the embedded stores");
}

export interface JsonOption {
  readonly json?: boolean;
}

export function addJsonOption(command: Command): Command {
  return command.option("--json", "print JSON instead of text");
}

/** The configuration as the flags of a command and the rest of the world make it. */
export function readCommandConfig(
  terminal: Terminal,
  options: ConfigOptions,
  flags: ConfigSources["flags"] = {},
): ReturnType<typeof readServerConfig> {
  return readServerConfig({
    file: options.config,
    env: terminal.env,
    flags: { data_dir: options.dataDir, ...flags },
  });
}

/** Rows as text in columns, under a head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(oneLine));
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  return [head, ...cells]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** RFC 3339 in UTC. */
export function formatTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** For options that limit how much is shown. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^[0-9]{1,6}$/.test(text) || count < 1) throw new InvalidArgumentError("Not a number from 1 to 999999.");
  return count;
}

/** For options that are a whole number from `min` to `max`, in decimal digits. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^[0-9]+$/.test(text) || number < min || number > max)
      throw new InvalidArgumentError(`Expected ${min} to ${max}.`);
    return number;
  };
}

/** For arguments and options that are an id. */
export function parseId(text: string): number {
  const id = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(id) || id < 1) throw new InvalidArgumentError("Not an id.");
  return id;
}
