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
    await program.parseAsync(args, { from: "user" });
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
    .addHelpText("after", "\nExample:\n  $ signalbox serve");
  await addCommands(program, terminal, line);
  return program;
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
