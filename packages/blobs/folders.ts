import { mkdir, open, readdir, rename, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
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
  for (;;) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      await rename(from, join(folder, name));
      await Promise.all([root, ...chain].map(syncFolder));
      return;
    } catch (error) {
      // A concurrent delete took the folder away because it was empty.
      if (isMissing(error) && !(await exists(folder))) continue;
      throw error;
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

async function exists(folder: string): Promise<boolean> {
  try {
    await (await open(folder, "r")).close();
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
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
