import { readFile } from "node:fs/promises";
import { type DefinitionOptions, parseYaml, type TimeoutOverrides, urgencies } from "@signalbox/experience";
import { errorMessage } from "@signalbox/kernel";
import type { ServerConfig } from "../../config.js";
import { CommandFailed, type Terminal } from "../command.js";

/** The feature categories that are allowed, where there is a list of them. @throws {CommandFailed} after saying why not */
export async function categoriesOf(
  file: string | undefined,
  terminal: Terminal,
): Promise<Pick<DefinitionOptions, "featureCategories">> {
  if (file === undefined) return {};
  try {
    return { featureCategories: await readCategories(file) };
  } catch (error) {
    terminal.err(`The feature categories in ${file} cannot be read: ${errorMessage(error)}`);
    throw new CommandFailed();
  }
}

/** @throws {Error} when the file cannot be read or holds no list */
export async function readCategories(file: string): Promise<ReadonlySet<string>> {
  const reading = parseYaml(await readFile(file, "utf8"));
  if (reading.kind === "failed") throw new Error(reading.message);
  if (!Array.isArray(reading.value)) throw new Error("it is no list");
  return new Set(reading.value.filter((item) => typeof item === "string"));
}

/** The timeouts of urgencies that the configuration replaces. */
export function timeoutsOf({ experience }: ServerConfig): TimeoutOverrides {
  const given = new Map(Object.entries(experience.timeouts ?? {}));
  return Object.fromEntries(
    urgencies.flatMap((urgency) => {
      const seconds = given.get(urgency);
      return typeof seconds === "number" ? [[urgency, seconds * 1000]] : [];
    }),
  );
}
