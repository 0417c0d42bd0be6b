import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "@signalbox/kernel";
import type { DefinitionOptions, DefinitionReading } from "./definition.js";
import { definitionIdOf, parseDefinitionFile } from "./definition-file.js";

/** One file of the folder and what it says. */
export interface FileReading {
  readonly file: string;
  readonly id: string;
  readonly reading: DefinitionReading;
}

export interface FolderReading {
  /** Whether the folder is there; without it there are no files. */
  readonly found: boolean;
  /** Sorted by file name. */
  readonly files: readonly FileReading[];
}

const maxFileBytes = 262_144;

/**
 * Reads `*.yml` and `*.yaml` directly in the folder; dotfiles, folders and everything else are left alone. A file that
 * cannot be read is invalid, a folder that cannot be listed is not found. Never rejects.
 */
export async function readDefinitionFolder(directory: string, options: DefinitionOptions = {}): Promise<FolderReading> {
  const names = await definitionFiles(directory);
  if (!names) return { found: false, files: [] };
  const files = await Promise.all(names.map((name) => readOne(directory, name, options)));
  return { found: true, files: withoutTwins(files) };
}

async function definitionFiles(directory: string): Promise<string[] | undefined> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && definitionIdOf(entry.name) !== undefined)
      .map(({ name }) => name)
      .sort();
  } catch {
    return undefined;
  }
}

async function readOne(directory: string, file: string, options: DefinitionOptions): Promise<FileReading> {
  const id = definitionIdOf(file) ?? "";
  try {
    return { file, id, reading: parseDefinitionFile(file, await readText(join(directory, file)), options) };
  } catch (error) {
    return { file, id, reading: refused(`The file cannot be read: ${errorMessage(error)}`) };
  }
}

/** A pipe would never end, a device neither: only files are read, and none that is too long to be a definition. */
async function readText(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new TypeError("it is no file");
    if (stat.size > maxFileBytes) throw new RangeError(`it has more than ${maxFileBytes} bytes`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** One id in both extensions: nobody could tell which one counts, so neither does. */
function withoutTwins(files: readonly FileReading[]): FileReading[] {
  const names = new Map<string, string[]>();
  for (const { file, id } of files) names.set(id, [...(names.get(id) ?? []), file]);
  return files.map((entry) => {
    const twins = names.get(entry.id) ?? [];
    return twins.length < 2 ? entry : { ...entry, reading: refused(`The id is defined by ${twins.join(" and ")}`) };
  });
}

function refused(message: string): DefinitionReading {
  return { kind: "invalid", errors: [{ field: "", message }], warnings: [] };
}
