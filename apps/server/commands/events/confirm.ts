import { CommandFailed, type Terminal } from "../command.js";

/** Returns when the person at the terminal agrees. @throws {CommandFailed} when not, or when there is nobody to ask. */
export async function confirm(terminal: Terminal, question: string): Promise<void> {
  if (!terminal.confirm) {
    terminal.err(`${question} Say --yes where there is no terminal to ask at.`);
    throw new CommandFailed();
  }
  if (await terminal.confirm(question)) return;
  terminal.err("Nothing was changed");
  throw new CommandFailed();
}
