import { existsSync } from "node:fs";
import { readdir, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type { DataPaths } from "../data-paths.js";
import type { BackupExtra } from "./manifest.js";
import type { Staging } from "./staging.js";

/** What a backup has to copy: where it is, and its path in the data directory. */
export interface ListedFiles {
  readonly files: readonly { readonly from: string; readonly path: string }[];
  readonly extras: readonly BackupExtra[];
}

type Collected = { files: { from: string; path: string }[]; extras: BackupExtra[] };

/** In the folder of each table: neither what was taken out of it, nor which inserts it has seen since. */
const keptEmpty = new Set(["detached", "deduplication_logs"]);
const ofRunningEngine = new Set(["analytics/shadow", "analytics/tmp", "analytics/status"]);
const tableFile = "format_version.txt";

/** Everything of the moment that `staging` holds, but for the database. */
export async function listFiles(paths: DataPaths, staging: Staging): Promise<ListedFiles> {
  const found: Collected = { files: [], extras: [] };
  await listAnalytics(paths.analytics, "analytics", found);
  await listAll(staging.tables, "analytics", found);
  await listAll(staging.blobs, "blobs", found);
  await listOwnFiles(paths, found);
  return found;
}

/** Definitions of tables, links and empty folders. The rows are in the frozen parts alone: the others come and go. */
async function listAnalytics(folder: string, path: string, found: Collected): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  const isTable = entries.some(({ name }) => name === tableFile);
  if (entries.length === 0) found.extras.push({ path, folder: true });
  for (const entry of entries) {
    const [from, inside] = [join(folder, entry.name), `${path}/${entry.name}`];
    if (ofRunningEngine.has(inside)) continue;
    if (entry.isSymbolicLink()) found.extras.push({ path: inside, link: await readlink(from) });
    else if (entry.isFile()) found.files.push({ from, path: inside });
    else if (!isTable) await listAnalytics(from, inside, found);
    else if (keptEmpty.has(entry.name)) found.extras.push({ path: inside, folder: true });
  }
}

async function listAll(folder: string, path: string, found: Collected): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const from = join(folder, entry.name);
    if (entry.isDirectory()) await listAll(from, `${path}/${entry.name}`, found);
    else found.files.push({ from, path: `${path}/${entry.name}` });
  }
}

/** Keys and whatever else lies beside the stores: they are small, and do not change once they are there. */
async function listOwnFiles({ directory, database }: DataPaths, found: Collected): Promise<void> {
  const ofOthers = [basename(database), "server.lock"];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const isOwn = entry.isFile() && !ofOthers.some((name) => entry.name.startsWith(name));
    if (isOwn) found.files.push({ from: join(directory, entry.name), path: entry.name });
  }
}
