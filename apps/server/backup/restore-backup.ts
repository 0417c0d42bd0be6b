import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@signalbox/kernel";
import type { ServerConfig } from "../config.js";
import { beginRestore, endRestore, lockDataDirectory, makeDataDirectory } from "../data-directory.js";
import { dataPaths } from "../data-paths.js";
import { ServerError } from "../errors.js";
import { copyFile } from "./copy-file.js";
import { makeExtras } from "./make-backup.js";
import { dataFolder, type Manifest, readManifest, unusable } from "./manifest.js";

export interface RestoreOptions {
  readonly config: ServerConfig;
  /** Of the backup. */
  readonly directory: string;
  readonly clock: Clock;
  readonly onProgress: (bytes: number, of: number) => void;
}

/**
 * Makes the data directory what it was at the backup's moment. Nothing is touched before the backup has been found complete
 * and of a known schema; after a failure the data directory is empty again, and one whose restore was cut off is refused
 * by every start.
 * @throws {ServerError} `BACKUP_UNUSABLE`, `BACKUP_TOO_NEW`, `RESTORE_TARGET_TAKEN`, `DATA_DIRECTORY_HELD`
 */
export async function restoreBackup({ config, directory, clock, onProgress }: RestoreOptions): Promise<Manifest> {
  const { content, ...manifest } = await readManifest(directory);
  const source = join(directory, dataFolder);
  for (const { path, bytes } of content.files) {
    const found = await stat(join(source, path)).catch(() => undefined);
    if (found?.size !== bytes) throw unusable(`The backup in ${directory} is damaged: ${path} is missing or cut off`);
  }
  const target = dataPaths(config).directory;
  makeDataDirectory(target);
  const lock = await lockDataDirectory(target, clock);
  try {
    await refuseTaken(target);
    beginRestore(target);
    let copied = 0;
    try {
      for (const { path, bytes, sha256 } of content.files) {
        const file = await copyFile(join(source, path), join(target, path));
        if (file.sha256 !== sha256) throw unusable(`The backup in ${directory} is damaged: ${path} was changed`);
        copied += bytes;
        onProgress(copied, manifest.bytes);
      }
      await makeExtras(target, content.extras);
    } catch (error) {
      for (const name of await namesIn(target)) await rm(join(target, name), { recursive: true, force: true });
      throw error;
    }
    endRestore(target);
    return manifest;
  } finally {
    lock.release();
  }
}

async function refuseTaken(target: string): Promise<void> {
  if ((await namesIn(target)).length > 0)
    throw new ServerError("RESTORE_TARGET_TAKEN", { message: `The data directory ${target} is not empty` });
}

/** But for the lock, which this process holds. */
async function namesIn(target: string): Promise<string[]> {
  return (await readdir(target)).filter((name) => !name.startsWith("server.lock"));
}
