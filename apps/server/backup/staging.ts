import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "@signalbox/kernel";
import type { DataPaths } from "../data-paths.js";

/**
 * Where a backup under way keeps what it has still to copy: second names of files of the data directory, which take no
 * room until the first names go. It carries the id of its process, so that what is left of a killed one is recognised.
 */
export interface Staging {
  /** Name of the frozen tables. */
  readonly name: string;
  /** The frozen tables: `store/…` below it. */
  readonly tables: string;
  readonly blobs: string;
  remove(): Promise<void>;
}

const folderPattern = /^\.backup-([0-9]+)$/;
const shadowPattern = /^backup_([0-9]+)$/;

export function stagingOf({ directory, analytics }: DataPaths): Staging {
  const name = `backup_${process.pid}`;
  const tables = join(analytics, "shadow", name);
  const folder = join(directory, `.backup-${process.pid}`);
  return {
    name,
    tables,
    blobs: join(folder, "blobs"),
    async remove() {
      for (const path of [tables, folder]) await rm(path, { recursive: true, force: true });
    },
  };
}

/** Removes what backups left whose process is gone. */
export async function removeAbandonedStaging({ directory, analytics }: DataPaths): Promise<void> {
  for (const [folder, pattern] of [
    [directory, folderPattern],
    [join(analytics, "shadow"), shadowPattern],
  ] as const) {
    for (const name of existsSync(folder) ? await readdir(folder) : []) {
      const [, pid] = pattern.exec(name) ?? [];
      if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}
