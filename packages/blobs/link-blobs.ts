import { link, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createUlidFactory, errorCode } from "@signalbox/kernel";
import { createFileBlobs, namespacePattern, partsOf } from "./file-blobs.js";
import { namesIn } from "./folders.js";
import { translateErrors } from "./system-errors.js";

export interface LinkBlobsOptions {
  /** Of a store of `createFileBlobs`, which may be at work. */
  readonly from: string;
  /** On the same file system; made when it does not exist. */
  readonly to: string;
  /** Only blobs that were made from this time on. */
  readonly sinceMs?: number;
}

/**
 * Gives each blob a second name under `to`, in the same layout, so that it stays when the store deletes it. What is there
 * already is left alone. Blobs that come or go meanwhile may be linked or not.
 * @returns how many blobs were linked.
 */
export async function linkBlobs({ from, to, sinceMs = 0 }: LinkBlobsOptions): Promise<number> {
  const blobs = await createFileBlobs({ directory: from });
  try {
    let linked = 0;
    for (const namespace of await translateErrors(() => namesIn(from))) {
      if (!namespacePattern.test(namespace)) continue;
      for await (const key of blobs.list(`${namespace}/`, `${namespace}/${firstIdSince(sinceMs)}`)) {
        const parts = partsOf(key);
        if (parts && (await linkOne(from, to, parts))) linked += 1;
      }
    }
    return linked;
  } finally {
    await blobs.close();
  }
}

/** The beginning of all ids of that time. */
function firstIdSince(timeMs: number): string {
  return createUlidFactory(() => timeMs)().slice(0, 10);
}

async function linkOne(from: string, to: string, parts: readonly string[]): Promise<boolean> {
  const target = join(to, ...parts);
  return translateErrors(async () => {
    await mkdir(join(target, ".."), { recursive: true, mode: 0o700 });
    try {
      await link(join(from, ...parts), target);
      return true;
    } catch (error) {
      if (errorCode(error) === "EEXIST" || errorCode(error) === "ENOENT") return false;
      throw error;
    }
  });
}
