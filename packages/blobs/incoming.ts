import { rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { errorCode } from "@signalbox/kernel";
import { namesIn } from "./folders.js";

/** A temporary file of an unknown process that was not written to for so long is nobody's any more. */
const abandonedAfterMs = 60 * 60 * 1000;

const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, "-");

/** Temporary names in use by any store of this process: opening a second store must not take the first one's files. */
const inUse = new Set<string>();

/** A temporary name that tells, after a crash, whose it was. `release` it when the file is renamed or removed. */
export function reserveTemporaryName(id: string): string {
  const name = `${host}.${process.pid}.${id}`;
  inUse.add(name);
  return name;
}

export function releaseTemporaryName(name: string): void {
  inUse.delete(name);
}

/** Removes temporary files whose writer is gone. Files of living processes on this host, and young ones of others, stay. */
export async function removeOrphans(folder: string, nowMs: number): Promise<void> {
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    if (await isOrphan(name, path, nowMs)) await rm(path, { force: true });
  }
}

async function isOrphan(name: string, path: string, nowMs: number): Promise<boolean> {
  if (inUse.has(name)) return false;
  const [, writerHost, writerPid] = /^([A-Za-z0-9-]*)\.(\d+)\.[0-9A-Z]{26}$/.exec(name) ?? [];
  if (writerHost === host) {
    const pid = Number(writerPid);
    // Our own number but not in use: an earlier process had it, as is usual in containers.
    if (pid === process.pid || !isAlive(pid)) return true;
  }
  const file = await stat(path).catch(() => undefined);
  return file !== undefined && nowMs - file.mtimeMs > abandonedAfterMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}
