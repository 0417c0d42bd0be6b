import { rename, rm, writeFile } from "node:fs/promises";
import { createRegistry, type Definition, readDefinitionFolder } from "@signalbox/experience";
import { generateText, generateTextOf, type RuleFormat, ruleSettingsOf } from "@signalbox/experience-tracker/rules";
import { errorMessage } from "@signalbox/kernel";
import type { ServerConfig } from "../../config.js";
import { oneLine } from "../../printable.js";
import { CommandFailed, type Terminal } from "../command.js";
import { categoriesOf, timeoutsOf } from "./definition-options.js";

/** What a server that has just read the definition files would serve. Says which files it leaves out. */
export async function generatedFile(format: RuleFormat, config: ServerConfig, terminal: Terminal): Promise<string> {
  return generateText(format, await readDefinitions(config, terminal), ruleSettingsOf(config));
}

/** The part of one experience in the rules of Prometheus. */
export async function generatedPart(id: string, config: ServerConfig, terminal: Terminal): Promise<string> {
  const text = generateTextOf(id, await readDefinitions(config, terminal), ruleSettingsOf(config));
  if (text !== undefined) return text;
  terminal.err(`There is no valid definition of ${oneLine(id)}.`);
  throw new CommandFailed();
}

async function readDefinitions(config: ServerConfig, terminal: Terminal): Promise<readonly Definition[]> {
  const { definitions: directory, featureCategories } = config.experience;
  const { found, files } = await readDefinitionFolder(directory, {
    ...(await categoriesOf(featureCategories, terminal)),
    timeouts: timeoutsOf(config),
  });
  if (!found) terminal.err(`There is no folder ${directory}: only the server's own definitions are taken.`);
  const definitions = files.flatMap(({ file, reading }) => {
    if (reading.kind === "valid") return [reading.definition];
    const [first] = reading.errors;
    terminal.err(
      `${oneLine(file)} is left out, it is invalid: ${oneLine([first?.field, first?.message].filter(Boolean).join(" "))}`,
    );
    return [];
  });
  return createRegistry(definitions).definitions;
}

/** Writes a file as a whole or not at all, so that nobody who watches it reads half; without a name, prints it. */
export async function deliver(text: string, file: string | undefined, terminal: Terminal): Promise<void> {
  if (file === undefined) {
    terminal.out(text.replace(/\n$/, ""));
    return;
  }
  const unfinished = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(unfinished, text);
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    terminal.err(`${file} cannot be written: ${errorMessage(error)}`);
    throw new CommandFailed();
  }
}
