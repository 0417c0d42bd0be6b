import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "@signalbox/kernel";
import { ServerError } from "../errors.js";
import { analyticsMigrations, databaseMigrations } from "../migrations.js";

/** Below the backup's directory: what becomes the data directory. */
export const dataFolder = "data";

const manifestFile = "backup.json";
const filesFile = "files.jsonl";
const format = 1;

/** One file of a backup. */
export interface BackupFile {
  /** Below `data`, with slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A symbolic link, as chDB has them among its folders; or a folder that has to be there although it is empty. */
export type BackupExtra =
  | { readonly path: string; readonly link: string }
  | { readonly path: string; readonly folder: true };

export interface BackupContent {
  readonly files: readonly BackupFile[];
  readonly extras: readonly BackupExtra[];
}

/** What a backup says of itself. It is written last: without it a backup is incomplete. */
export interface Manifest {
  readonly format: number;
  readonly version: string;
  /** The moment that the backup shows. */
  readonly taken_at: string;
  readonly files: number;
  readonly bytes: number;
  /** Of the list of files. */
  readonly sha256: string;
  /** Names of the migrations, by store and set, that the data has been through. */
  readonly schema: { readonly database: SchemaNames; readonly analytics: SchemaNames };
}

type SchemaNames = Readonly<Record<string, readonly string[]>>;

interface NamedSet {
  readonly name: string;
  readonly migrations: readonly { readonly name: string }[];
}

function namesOf(sets: readonly NamedSet[]): SchemaNames {
  return Object.fromEntries(sets.map(({ name, migrations }) => [name, migrations.map((migration) => migration.name)]));
}

/** The schema of this program, to which every start and every backup brings the data. */
function ownSchema(): Manifest["schema"] {
  return { database: namesOf(databaseMigrations), analytics: namesOf(analyticsMigrations) };
}

/** Completes a backup, durably. */
export async function writeManifest(
  directory: string,
  content: BackupContent,
  facts: { readonly version: string; readonly takenAtMs: number },
): Promise<Manifest> {
  const list = [...content.files, ...content.extras].map((entry) => `${JSON.stringify(entry)}\n`).join("");
  const manifest: Manifest = {
    format,
    version: facts.version,
    taken_at: new Date(facts.takenAtMs).toISOString(),
    files: content.files.length,
    bytes: content.files.reduce((sum, { bytes }) => sum + bytes, 0),
    sha256: sha256Of(list),
    schema: ownSchema(),
  };
  await writeDurably(join(directory, filesFile), list);
  const draft = join(directory, `${manifestFile}.new`);
  await writeDurably(draft, `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(draft, join(directory, manifestFile));
  await syncFolder(directory);
  return manifest;
}

/** @throws {ServerError} `BACKUP_UNUSABLE`, `BACKUP_TOO_NEW` */
export async function readManifest(directory: string): Promise<Manifest & { readonly content: BackupContent }> {
  if (!existsSync(directory)) throw unusable(`There is no directory ${directory}`);
  const [manifest, list] = await Promise.all([
    readFile(join(directory, manifestFile), "utf8"),
    readFile(join(directory, filesFile), "utf8"),
  ]).catch((cause: unknown) => {
    throw unusable(`The backup in ${directory} is incomplete: it was cut off, or is none`, cause);
  });
  try {
    const found: Manifest = JSON.parse(manifest);
    refuseNewer(found);
    if (sha256Of(list) !== found.sha256) throw new Error(`${filesFile} was changed`);
    const entries: (BackupFile | BackupExtra)[] = list
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
    const files = entries.filter((entry): entry is BackupFile => "sha256" in entry);
    const extras = entries.filter((entry): entry is BackupExtra => !("sha256" in entry));
    return { ...found, content: { files, extras } };
  } catch (cause) {
    if (cause instanceof ServerError) throw cause;
    throw unusable(`The backup in ${directory} cannot be read: ${errorMessage(cause)}`, cause);
  }
}

function refuseNewer(found: Manifest): void {
  const tooNew = (what: string): ServerError =>
    new ServerError("BACKUP_TOO_NEW", { message: `The backup was made by Signalbox ${found.version}: ${what}` });
  if (found.format > format) throw tooNew(`its form ${found.format} is not known here`);
  const own = ownSchema();
  for (const store of ["database", "analytics"] as const) {
    for (const [set, names] of Object.entries(found.schema[store])) {
      const unknown = names.find((name) => !own[store][set]?.includes(name));
      if (unknown !== undefined) throw tooNew(`${set} ${unknown} of the ${store} is not known here`);
    }
  }
}

export function unusable(message: string, cause?: unknown): ServerError {
  return new ServerError("BACKUP_UNUSABLE", { message, cause });
}

function sha256Of(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
