import { mkdir, open, readdir, rename, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorCode } from "@signalbox/kernel";
import { isMissing } from "./system-errors.js";

/** Sorted names in a folder; none when it does not exist, which a concurrent removal makes normal. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/**
 * Moves a synced file to `root/…folders/name`, so that the new name survives power loss. All folders on the way are synced
 * each time: one that exists may have been made a moment ago by a put that has not synced it yet.
 */
export async function moveDurably(from: string, root: string, folders: readonly string[], name: string): Promise<void> {
  const chain = folders.map((_, index) => join(root, ...folders.slice(0, index + 1)));
  const folder = join(root, ...folders);
  await retryWhileFoldersVanish(async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await rename(from, join(folder, name));
  });
  await Promise.all([root, ...chain].map(syncFolder));
}

/** Concurrent deletes take folders away that have become empty, also between making one and moving a file into it. */
async function retryWhileFoldersVanish(work: () => Promise<void>): Promise<void> {
  for (let attemptsLeft = 100; ; attemptsLeft--) {
    try {
      return await work();
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || attemptsLeft === 0) throw error;
    }
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

/** Removes `folder` and its parent while they are empty. A blob that arrives meanwhile makes them again. */
export async function removeEmptyFolders(folder: string): Promise<void> {
  try {
    await rmdir(folder);
    await rmdir(dirname(folder));
  } catch {
    // Not empty, or gone already: both are fine, and an empty folder left behind harms nobody.
  }
}
