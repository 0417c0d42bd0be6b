import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findServer } from "./find-server.js";

/** A file system of its own that is quickly full. */
export interface SmallDisk {
  readonly path: string;
  resize(bytes: number): void;
  /** Also while files are open. */
  unmount(): void;
}

/** @throws {Error} where `canMountSmallDisk()` is false. */
export function mountSmallDisk(bytes: number): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), "signalbox-disk-"));
  try {
    run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path);
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
  return {
    path,
    resize: (newBytes) => run("mount", "-o", `remount,size=${newBytes}`, path),
    unmount() {
      run("umount", "--lazy", path);
      rmdirSync(path);
    },
  };
}

/** Whether this process has the right to mount a file system. Tests that need it are skipped otherwise. */
export function canMountSmallDisk(): boolean {
  try {
    mountSmallDisk(1024 * 1024).unmount();
    return true;
  } catch {
    return false;
  }
}

function run(program: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(findServer(program) ?? program, args, { encoding: "utf8" });
  if (error || status !== 0) throw new Error(`${program} failed: ${stderr ?? error}`);
}
