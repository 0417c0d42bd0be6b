import { existsSync, readFileSync } from "node:fs";
import type { EventStore } from "@signalbox/event-store";
import { buildCatalogue, checkGraph, type GraphCheck, parseAccepted } from "@signalbox/event-store/catalogue";
import { findDefinitionSites, findPublishSites } from "@signalbox/event-store/catalogue/sites";
import type { Command } from "commander";
import {
  addConfigOptions,
  CommandFailed,
  type ConfigOptions,
  defineCommand,
  readCommandConfig,
  type Terminal,
} from "../command.js";
import { withDefinitions } from "./with-definitions.js";

interface CheckOptions extends ConfigOptions {
  readonly graph?: boolean;
  readonly sources?: readonly string[];
  readonly accept?: string;
  readonly app?: string;
  readonly json?: boolean;
}

const acceptFile = "event-store.accept.json";

export function addCheck(events: Command, terminal: Terminal): void {
  const check = defineCommand(
    events,
    "check",
    "find what no single file shows: events that nobody hears or publishes, circles of contexts, second definitions",
    'signalbox events check --graph --sources "modules/**/*.ts"',
  )
    .option("--graph", "check who publishes what and who subscribes")
    .option("--sources <globs...>", "where to look for places that define and publish")
    .option("--accept <file>", `findings that are fine, each with a reason (default: ${acceptFile}, if there is one)`)
    .option("--app <module>", "of the program whose configure functions this module exports")
    .option("--json", "print the findings as JSON");
  addConfigOptions(check).action(async (options: CheckOptions, command: Command) => {
    if (!options.graph) command.error("error: nothing to check: give --graph", { exitCode: 2 });
    const { sources } = options;
    if (!sources) command.error("error: --graph needs --sources <globs...>", { exitCode: 2 });
    const { values: config } = readCommandConfig(terminal, options);
    await withDefinitions(config, options.app, (store) => {
      const result = findProblems(store, sources ?? [], options);
      if (options.json) terminal.out(JSON.stringify(result, null, 2));
      else report(result, terminal);
      if (result.findings.length > 0) throw new CommandFailed();
    });
  });
}

function findProblems(store: EventStore, sources: readonly string[], { accept }: CheckOptions): GraphCheck {
  const search = { root: ".", sources };
  const catalogue = buildCatalogue({ store, publishSites: findPublishSites(search) });
  const path = accept ?? acceptFile;
  const accepted = accept === undefined && !existsSync(path) ? undefined : parseAccepted(readFileSync(path, "utf8"));
  return checkGraph({ catalogue, definitionSites: findDefinitionSites(search) }, accepted);
}

function report({ findings, accepted, stale }: GraphCheck, terminal: Terminal): void {
  for (const { name, message } of findings) terminal.out(`${name}: ${message}`);
  for (const { name, reason } of accepted) terminal.out(`${name}: accepted: ${reason}`);
  for (const name of stale) terminal.out(`${name}: accepted, but not found any more: take it out of ${acceptFile}`);
  if (findings.length > 0) terminal.out(`What is meant to be so goes into ${acceptFile}, by name and with a reason.`);
}
