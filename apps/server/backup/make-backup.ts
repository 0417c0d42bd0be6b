import { mkdir, readdir, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { linkBlobs } from "@signalbox/blobs";
import { copySqlite } from "@signalbox/database";
import { type Clock, errorCode } from "@signalbox/kernel";
import type { ServerConfig } from "../config.js";
import { dataPaths } from "../data-paths.js";
import { ServerError } from "../errors.js";
import { copyFile, digestFile } from "./copy-file.js";
import { listFiles } from "./list-files.js";
import { type BackupExtra, type BackupFile, dataFolder, type Manifest, writeManifest } from "./manifest.js";
import { removeAbandonedStaging, stagingOf } from "./staging.js";

export interface BackupOptions {
  readonly config: ServerConfig;
  /** Of the backup: absent or empty. */
  readonly directory: string;
  readonly version: string;
  readonly clock: Clock;
  /** Keeps the rows of the analytics store, whoever holds it, under this name. */
  readonly freeze: (name: string) => Promise<void>;
  readonly onProgress: (step: BackupStep, bytes: number) => void;
}

/** `database` while the SQLite file is copied, then `files`, then done. */
export type BackupStep = "database" | "files";

/** Ids of blobs carry the time of their clock, which may have been corrected a little since. */
const clockSlackMs = 60_000;

/**
 * Copies the embedded stores as they were at one moment after the call: whatever was acknowledged before is in the copy.
 * Writers wait for that moment, which takes milliseconds, and go on while files are copied.
 *
 * The moment is that of the database, where everything acknowledged is: rows of the analytics store that it counts on are
 * there by then, and those that are under way are written again after a restore, as after a crash.
 * @throws {ServerError} `BACKUP_TARGET_TAKEN`, `BACKUP_TARGET_UNUSABLE`
 */
export async function makeBackup(options: BackupOptions): Promise<Manifest> {
  const { config, directory, version, clock, freeze, onProgress } = options;
  const paths = dataPaths(config);
  await takeDirectory(directory);
  await removeAbandonedStaging(paths);
  const staging = stagingOf(paths);
  await staging.remove();
  const data = join(directory, dataFolder);
  const database = join(data, basename(paths.database));
  try {
    const begunMs = clock.nowMs();
    // Most blobs are linked before the moment, so that it stays short; what is deleted meanwhile is not needed.
    await linkBlobs({ from: paths.blobs, to: staging.blobs });
    let takenAtMs = begunMs;
    await copySqlite({
      path: paths.database,
      to: database,
      clock,
      onProgress: (bytes) => onProgress("database", bytes),
      atMoment: async () => {
        takenAtMs = clock.nowMs();
        await Promise.all([
          freeze(staging.name),
          linkBlobs({ from: paths.blobs, to: staging.blobs, sinceMs: begunMs - clockSlackMs }),
        ]);
      },
    });
    const copied = await digestFile(database);
    const files: BackupFile[] = [{ path: basename(paths.database), ...copied }];
    const listed = await listFiles(paths, staging);
    let bytes = copied.bytes;
    for (const { from, path } of listed.files) {
      const file = await copyFile(from, join(data, path));
      files.push({ path, ...file });
      bytes += file.bytes;
      onProgress("files", bytes);
    }
    await makeExtras(data, listed.extras);
    return await writeManifest(directory, { files, extras: listed.extras }, { version, takenAtMs });
  } catch (error) {
    await discard(directory);
    throw writeFailure(error);
  } finally {
    await staging.remove();
  }
}

export async function makeExtras(data: string, extras: readonly BackupExtra[]): Promise<void> {
  for (const extra of extras) {
    const path = join(data, extra.path);
    await mkdir("link" in extra ? dirname(path) : path, { recursive: true, mode: 0o700 });
    if ("link" in extra) await symlink(extra.link, path);
  }
}

/**
 * A backup of half of the stores would not fit the other half.
 * @throws {ServerError} `BACKUP_NOT_EMBEDDED`
 */
export function refuseServers(config: ServerConfig): void {
  const servers = [
    ...(config.databaseUrl ? ["`database_url`"] : []),
    ...(config.clickhouseUrl ? ["`clickhouse_url`"] : []),
    ...(config.transport === "sql" ? [] : [`\`transport: ${config.transport}\``]),
    ...(config.experience.store === "redis" ? ["`experience.store: redis`"] : []),
  ];
  if (servers.length === 0) return;
  throw new ServerError("BACKUP_NOT_EMBEDDED", {
    message: `Only embedded stores can be backed up, but the configuration has ${servers.join(", ")}`,
  });
}

async function takeDirectory(directory: string): Promise<void> {
  let names: string[];
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    names = await readdir(directory);
    if (names.length === 0) await mkdir(join(directory, dataFolder), { mode: 0o700 });
  } catch (cause) {
    throw new ServerError("BACKUP_TARGET_UNUSABLE", {
      cause,
      message: `The directory ${directory} cannot be written to (${errorCode(cause) ?? "unknown reason"})`,
    });
  }
  if (names.length > 0)
    throw new ServerError("BACKUP_TARGET_TAKEN", { message: `The directory ${directory} is not empty` });
}

/** It was empty before, so that nothing of somebody else is lost. */
async function discard(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true, force: true });
}

function writeFailure(error: unknown): unknown {
  const code = errorCode(error);
  if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "EIO" && code !== "EROFS") return error;
  return new ServerError("BACKUP_TARGET_UNUSABLE", { cause: error, message: `The backup cannot be written (${code})` });
}
