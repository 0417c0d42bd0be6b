import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { EventStore } from "@signalbox/event-store";
import {
  buildCatalogue,
  type Catalogue,
  checkCatalogue,
  compareFolder,
  type FolderDifference,
  parseOwnership,
  toMarkdown,
  toMermaid,
  writeFolder,
} from "@signalbox/event-store/catalogue";
import { findPublishSites } from "@signalbox/event-store/catalogue/sites";
import { type Command, InvalidArgumentError } from "commander";
import {
  addConfigOptions,
  CommandFailed,
  type ConfigOptions,
  defineCommand,
  readCommandConfig,
  type Terminal,
} from "../command.js";
import { withDefinitions } from "./with-definitions.js";

/** What the catalogue can be written as: files by path. */
const renderers: Readonly<
  Record<Format, (catalogue: Catalogue, options: GraphOptions) => ReadonlyMap<string, string>>
> = {
  mermaid: (catalogue) => new Map([["events.mmd", toMermaid(catalogue)]]),
  json: (catalogue) => new Map([["events.json", `${JSON.stringify(catalogue, null, 2)}\n`]]),
  markdown: (catalogue, { out = "." }) =>
    toMarkdown(catalogue, {
      command: `signalbox events graph --format markdown --out ${out}`,
      sourceRoot: relative(out, ".") || ".",
    }),
};

const formats = ["mermaid", "json", "markdown"] as const;
type Format = (typeof formats)[number];

interface GraphOptions extends ConfigOptions {
  readonly format: Format;
  readonly json?: boolean;
  readonly out?: string;
  readonly check?: boolean;
  readonly sources?: readonly string[];
  readonly owners?: string;
  readonly app?: string;
}

const ownersFile = "event-store.owners.json";

export function addGraph(events: Command, terminal: Terminal): void {
  const graph = defineCommand(
    events,
    "graph",
    "write who publishes what and who subscribes, as a graph or a catalogue",
    "signalbox events graph --format markdown --out docs/events --check",
  )
    .option("--format <format>", formats.join(", "), parseFormat, "mermaid")
    .option("--json", "the same as --format json")
    .option("--out <folder>", "write files into this folder instead of printing")
    .option("--check", "change nothing; fail when the folder is not as it would be written")
    .option("--sources <globs...>", "where to look for places that publish")
    .option("--owners <file>", `owners and categories that there may be (default: ${ownersFile}, if there is one)`)
    .option("--app <module>", "of the program whose configure functions this module exports");
  addConfigOptions(graph).action(async (given: GraphOptions, command: Command) => {
    const options = given.json ? { ...given, format: "json" as const } : given;
    if (options.check && options.out === undefined)
      command.error("error: --check needs --out <folder>", { exitCode: 2 });
    if (options.format === "markdown" && options.out === undefined)
      command.error("error: --format markdown needs --out <folder>", { exitCode: 2 });
    const { values: config } = readCommandConfig(terminal, options);
    await withDefinitions(config, options.app, (store) => write(store, options, terminal));
  });
}

function write(store: EventStore, options: GraphOptions, terminal: Terminal): void {
  const publishSites = options.sources ? findPublishSites({ root: ".", sources: options.sources }) : new Map();
  const catalogue = buildCatalogue({ store, publishSites });
  const files = renderers[options.format](catalogue, options);
  if (options.out === undefined) {
    for (const text of files.values()) terminal.out(text.trimEnd());
    return;
  }
  const problems =
    options.format === "markdown" ? checkCatalogue(catalogue, store.definitions, readOwnership(options)) : [];
  for (const { type, message } of problems) terminal.err(`${join(options.out, `${type}.md`)}: ${type} ${message}`);
  if (options.check) reportCheck(compareFolder(options.out, files), options, terminal, problems.length > 0);
  else {
    const { stale, missing, surplus } = writeFolder(options.out, files);
    for (const path of [...stale, ...missing]) terminal.out(`${join(options.out, path)} written`);
    for (const path of surplus) terminal.out(`${join(options.out, path)} removed`);
    if (problems.length > 0) throw new CommandFailed();
  }
}

function reportCheck(
  { stale, missing, surplus }: FolderDifference,
  { out = ".", format }: GraphOptions,
  terminal: Terminal,
  hasProblems: boolean,
): void {
  const command = `signalbox events graph --format ${format} --out ${out}`;
  const said = { "is stale": stale, "is missing": missing, "is about an event that there is not": surplus };
  for (const [what, paths] of Object.entries(said))
    for (const path of paths) terminal.out(`${join(out, path)} ${what}: run ${command}`);
  if (hasProblems || [stale, missing, surplus].some((paths) => paths.length > 0)) throw new CommandFailed();
}

function readOwnership({ owners }: GraphOptions) {
  if (owners === undefined && !existsSync(ownersFile)) return undefined;
  return parseOwnership(readFileSync(owners ?? ownersFile, "utf8"));
}

function parseFormat(value: string): Format {
  const format = formats.find((one) => one === value);
  if (format) return format;
  throw new InvalidArgumentError(`Expected one of ${formats.join(", ")}.`);
}
