import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/**
 * chDB holds an exclusive `flock` on the file `status` of its data directory and writes its process id into it. The lock goes
 * with the process, so a file left behind by a crash means nothing, and a second engine is refused by the first one's lock.
 */
function statusFile(path: string): string {
  return join(path, "status");
}

/** The process that holds the engine of this directory, as far as this system tells: Linux only, own containers only. */
export async function lockHolder(path: string): Promise<number | undefined> {
  const [file, locks] = await Promise.all([
    stat(statusFile(path)).catch(() => undefined),
    readFile("/proc/locks", "utf8").catch(() => ""),
  ]);
  if (!file) return undefined;
  for (const line of locks.split("\n")) {
    const [, pid, inode] = /^\d+: FLOCK\s+\S+\s+WRITE\s+(\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line) ?? [];
    if (Number(inode) === file.ino && Number(pid) !== process.pid) return (await lastHolder(path)) ?? Number(pid);
  }
  return undefined;
}

/** The process id that the last engine wrote, which may be gone. */
export async function lastHolder(path: string): Promise<number | undefined> {
  const text = await readFile(statusFile(path), "utf8").catch(() => "");
  const [, pid] = /^PID: (\d+)$/m.exec(text) ?? [];
  return pid === undefined ? undefined : Number(pid);
}
