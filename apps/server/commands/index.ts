import type { Command } from "commander";
import { defineCommand, type Terminal } from "./command.js";

/** A command as the help of the program shows it; what it takes and does is in its module. */
interface CommandEntry {
  readonly name: string;
  readonly description: string;
  readonly example: string;
  /** Its module, with everything that it needs: loaded when a line names the command, and not for the others. */
  load(): Promise<CommandModule>;
}

interface CommandModule {
  /** Adds arguments, options, verbs and the action. */
  build(command: Command, terminal: Terminal): void;
}

export const commands: readonly CommandEntry[] = [
  {
    name: "serve",
    description: "run the server until it is told to stop",
    example: "signalbox serve --only ingest,worker --listen 0.0.0.0:8787",
    load: () => import("./serve.js"),
  },
  {
    name: "migrate",
    description: "bring the schemas of all stores up to date, as every start does",
    example: "signalbox migrate",
    load: () => import("./migrate.js"),
  },
  {
    name: "doctor",
    description: "look at configuration, stores, disk, clocks and ports, and say what to do about each finding",
    example: "signalbox doctor --json",
    load: () => import("./doctor.js"),
  },
  {
    name: "project",
    description: "make and list projects",
    example: "signalbox project list",
    load: () => import("./project.js"),
  },
  {
    name: "token",
    description: "make, list and revoke tokens for the API",
    example: "signalbox token list",
    load: () => import("./token.js"),
  },
  {
    name: "errors",
    description: "see what went wrong, and what became of it",
    example: "signalbox errors list --project 1",
    load: () => import("./errors/index.js"),
  },
  {
    name: "events",
    description: "see and operate the event store: who gets what, what waits, what failed",
    example: "signalbox events why 01JZ3V2M5T8Q4X9C7B6A1D0E2F",
    load: () => import("./events/index.js"),
  },
  {
    name: "experience",
    description: "see journeys and their definitions: what runs, what went wrong, what a file says",
    example: "signalbox experience runs --state stale",
    load: () => import("./experience/index.js"),
  },
  {
    name: "relay",
    description: "see how the sync with other relays is doing, and what became of events",
    example: "signalbox relay status",
    load: () => import("./relay/index.js"),
  },
  {
    name: "verify",
    description: "check that what is counted and what is stored agree",
    example: "signalbox verify --since 7d",
    load: () => import("./verify.js"),
  },
  {
    name: "backup",
    description: "copy the embedded stores and keys as they are at one moment, while the server runs",
    example: "signalbox backup /backups/2026-05-01",
    load: () => import("./backup.js"),
  },
  {
    name: "restore",
    description: "make an empty data directory what it was when a backup was taken",
    example: "signalbox restore /backups/2026-05-01",
    load: () => import("./restore.js"),
  },
  {
    name: "config",
    description: "look at the configuration",
    example: "signalbox config print",
    load: () => import("./config.js"),
  },
];

/** Adds all commands; those that the line names are complete, the others have a name and a help alone. */
export async function addCommands(program: Command, terminal: Terminal, line: readonly string[]): Promise<void> {
  for (const { name, description, example, load } of commands) {
    const command = defineCommand(program, name, description, example);
    if (line.includes(name)) (await load()).build(command, terminal);
  }
}
