import { ConfigError, errorMessage, SignalboxError } from "@signalbox/kernel";
import { Command, CommanderError } from "commander";
import { addBackupCommand, addRestoreCommand } from "./commands/backup.js";
import { CommandFailed, describeOption, type Terminal } from "./commands/command.js";
import { addConfigCommand } from "./commands/config.js";
import { addDoctorCommand } from "./commands/doctor.js";
import { addErrorsCommand } from "./commands/errors/index.js";
import { addEventsCommand } from "./commands/events/index.js";
import { addExperienceCommand } from "./commands/experience/index.js";
import { addMigrateCommand } from "./commands/migrate.js";
import { addProjectCommand } from "./commands/project.js";
import { addRelayCommand } from "./commands/relay/index.js";
import { addServeCommand } from "./commands/serve.js";
import { addTokenCommand } from "./commands/token.js";
import { addVerifyCommand } from "./commands/verify.js";
import { remedyFor } from "./remedies.js";
import { version } from "./version.js";

/** Everything went well; it did not; the command line was not understood. */
const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

/** Runs one command to its end and resolves with the exit code. Never rejects. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await createProgram(terminal).parseAsync(args, { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommandFailed) return exitCodes.failed;
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    terminal.err(describeFailure(error));
    return exitCodes.failed;
  }
}

/** The whole command line, also for documents and tests. */
export function createProgram(terminal: Terminal): Command {
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
  addServeCommand(program, terminal);
  addMigrateCommand(program, terminal);
  addDoctorCommand(program, terminal);
  addProjectCommand(program, terminal);
  addTokenCommand(program, terminal);
  addErrorsCommand(program, terminal);
  addEventsCommand(program, terminal);
  addExperienceCommand(program, terminal);
  addRelayCommand(program, terminal);
  addVerifyCommand(program, terminal);
  addBackupCommand(program, terminal);
  addRestoreCommand(program, terminal);
  addConfigCommand(program, terminal);
  return program;
}

function describeFailure(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (!(error instanceof SignalboxError))
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`${error.message} (${error.code})`];
  for (let cause = error.cause; cause !== undefined; cause = cause instanceof Error ? cause.cause : undefined)
    if (errorMessage(cause) !== error.message) lines.push(`  because: ${errorMessage(cause)}`);
  const remedy = remedyFor(error);
  if (remedy !== undefined) lines.push(`  ${remedy}`);
  return lines.join("\n");
}
