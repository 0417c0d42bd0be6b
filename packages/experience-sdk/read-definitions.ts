import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  builtInDefinitions,
  type Definition,
  type DefinitionReading,
  definitionIdOf,
  parseDefinition,
  parseDefinitionFile,
} from "@signalbox/experience";
import { errorMessage } from "@signalbox/kernel";
import { ExperienceSdkError } from "./errors.js";
import type { KnownExperience } from "./known-experiences.js";
import type { WarnOnce } from "./warn-once.js";

/** Content of definition files by id, for applications that bring their definitions in code. */
export type DefinitionsInCode = Readonly<Record<string, object>>;

/** @throws {ExperienceSdkError} `EXPERIENCE_OPTIONS_INVALID` for the first definition that is not valid */
export function readDefinitionsInCode(definitions: DefinitionsInCode): Map<string, KnownExperience> {
  const known = knownAtLeast();
  for (const [id, content] of Object.entries(definitions)) {
    const reading = parseDefinition(id, content);
    if (reading.kind === "invalid") {
      const [fault] = reading.errors;
      throw new ExperienceSdkError("EXPERIENCE_OPTIONS_INVALID", {
        message: `definitions.${id}${fault?.field ? `.${fault.field}` : ""}: ${fault?.message ?? "is invalid"}`,
        details: { option: "definitions", id },
      });
    }
    known.set(id, toKnown(reading.definition));
  }
  return known;
}

/**
 * Reads a folder of definition files, at once: it is done when the client is made, not while the application works. A
 * file that is not valid is passed over with a warning, and so is a folder that is not there.
 */
export function readDefinitionFiles(directory: string, warn: WarnOnce): Map<string, KnownExperience> {
  const known = knownAtLeast();
  const files = listFiles(directory, warn);
  for (const file of files) {
    const reading = readFile(directory, file, files);
    if (reading.kind === "valid") known.set(reading.definition.id, toKnown(reading.definition));
    else
      warn(`definition ${file}`, "experience.definition_invalid", {
        file,
        field: reading.errors[0]?.field,
        reason: reading.errors[0]?.message,
      });
  }
  return known;
}

function listFiles(directory: string, warn: WarnOnce): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && definitionIdOf(entry.name) !== undefined)
      .map(({ name }) => name);
  } catch (error) {
    warn("definitions", "the folder of experience definitions cannot be read", { directory, error });
    return [];
  }
}

function readFile(directory: string, file: string, files: readonly string[]): DefinitionReading {
  const id = definitionIdOf(file);
  // One id in both extensions: nobody could tell which one counts, so neither does.
  if (files.some((other) => other !== file && definitionIdOf(other) === id)) return refused("its id has two files");
  try {
    return parseDefinitionFile(file, readFileSync(join(directory, file), "utf8"));
  } catch (error) {
    return refused(errorMessage(error));
  }
}

function refused(message: string): DefinitionReading {
  return { kind: "invalid", errors: [{ field: "", message }], warnings: [] };
}

function knownAtLeast(): Map<string, KnownExperience> {
  return new Map(builtInDefinitions.map((definition) => [definition.id, toKnown(definition)]));
}

function toKnown({ id, featureCategory, urgency, thresholdMs }: Definition): KnownExperience {
  return { id, featureCategory, urgency, thresholdMs };
}
