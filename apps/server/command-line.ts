import { ConfigError, errorMessage, SignalboxError } from "@signalbox/kernel";
import { Command, CommanderError } from "commander";
import { CommandFailed, describeOption, type Terminal } from "./commands/command.js";
import { addCommands } from "./commands/index.js";
import { guardTerminal } from "./printable.js";
import { version } from "./version.js";

/** Everything went well; it did not; the command line was not understood. */
const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

/** Runs one command to its end and resolves with the exit code. Never rejects. */
export async function runCommandLine(args: readonly string[], anyTerminal: Terminal): Promise<number> {
  const terminal = guardTerminal(anyTerminal);
  try {
    const program = await createProgram(terminal, args);
    await program.parseAsync(readHelp(program, args), { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommandFailed) return exitCodes.failed;
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    terminal.err(describeFailure(error));
    return exitCodes.failed;
  }
}

/** The command line, complete for what the line names. */
export async function createProgram(terminal: Terminal, line: readonly string[]): Promise<Command> {
  const program = new Command("signalbox")
    .description("The event backbone of a software forge")
    .version(version, "--version", "print the version")
    .exitOverride()
    .showHelpAfterError("(--help shows what there is)")
    .configureHelp({ optionDescription: describeOption })
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
    .addHelpText("after", "\nExample:\n  $ signalbox serve")
    .addHelpText(
      "after",
      "\nExit codes:\n  0  done\n  1  failed, or not all is well\n  2  the line was not understood",
    );
  await addCommands(program, terminal, line);
  return program;
}

/**
 * `help` before names means `--help` after them. A name that there is not is refused with or without a help: what it would
 * be shown instead is not what was asked for.
 */
function readHelp(program: Command, args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  const line = first === "help" ? [...rest, "--help"] : args;
  const names: string[] = [];
  let command: Command | undefined = program;
  for (const name of line) {
    if (name.startsWith("-") || command.commands.length === 0) break;
    names.push(name);
    command = command.commands.find((known) => known.name() === name);
    if (!command) return names;
  }
  return line;
}

function describeFailure(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (!(error instanceof SignalboxError))
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`${error.message} (${error.code})`];
  for (let cause = error.cause; cause !== undefined; cause = cause instanceof Error ? cause.cause : undefined)
    if (errorMessage(cause) !== error.message) lines.push(`  because: ${errorMessage(cause)}`);
  if (error.remedy !== undefined) lines.push(`  ${error.remedy}`);
  return lines.join("\n");
}
