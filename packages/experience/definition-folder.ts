import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createPace, errorMessage } from "@signalbox/kernel";
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

/** What files said when they were read last, by name. Good for one set of options. */
export type KnownFiles = Map<string, { readonly text: string; readonly reading: DefinitionReading }>;

/** Of a definition; one that uses all it may have is a tenth of it. */
export const maxDefinitionBytes = 65_536;

/** Each has a file open: a folder may hold more of them than a process may open. */
const filesAtOnce = 8;

/**
 * Reads `*.yml` and `*.yaml` directly in the folder; dotfiles, folders and everything else are left alone. A file that
 * cannot be read is invalid, a folder that cannot be listed is not found. Never rejects. Others have their turn in
 * between, however many files there are.
 * @param known is read and brought up to date: a file with the same text as before is not parsed again.
 */
export async function readDefinitionFolder(
  directory: string,
  options: DefinitionOptions = {},
  known: KnownFiles = new Map(),
): Promise<FolderReading> {
  const names = await definitionFiles(directory);
  if (!names) return { found: false, files: [] };
  const files: FileReading[] = [];
  const pace = createPace();
  for (let start = 0; start < names.length; start += filesAtOnce) {
    const texts = names.slice(start, start + filesAtOnce).map((name) => tryReadText(directory, name));
    for (const found of await Promise.all(texts)) {
      files.push(readingOf(found, options, known));
      await pace();
    }
  }
  const present = new Set(names);
  for (const name of known.keys()) if (!present.has(name)) known.delete(name);
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

type FileText = { readonly file: string; readonly text: string } | { readonly file: string; readonly fault: string };

async function tryReadText(directory: string, file: string): Promise<FileText> {
  try {
    return { file, text: await readText(join(directory, file)) };
  } catch (error) {
    return { file, fault: `The file cannot be read: ${errorMessage(error)}` };
  }
}

function readingOf(found: FileText, options: DefinitionOptions, known: KnownFiles): FileReading {
  const { file } = found;
  const id = definitionIdOf(file) ?? "";
  if ("fault" in found) return { file, id, reading: refused(found.fault) };
  const { text } = found;
  const before = known.get(file);
  const reading = before?.text === text ? before.reading : parseDefinitionFile(file, text, options);
  known.set(file, { text, reading });
  return { file, id, reading };
}

/** A pipe would never end, a device neither: only files are read, and none that is too long to be a definition. */
async function readText(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new TypeError("it is no file");
    if (stat.size > maxDefinitionBytes) throw new RangeError(`it has more than ${maxDefinitionBytes} bytes`);
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
