import { systemClock } from "@signalbox/kernel";
import type { Manifest } from "../backup/manifest.js";
import type { Terminal } from "./command.js";

const progressMs = 2_000;
const mebibyte = 1024 * 1024;

export function report(directory: string, manifest: Manifest, tookS: number): object {
  const { taken_at, version: madeBy, files, bytes } = manifest;
  return { directory, taken_at, version: madeBy, files, bytes, duration_s: Number(tookS.toFixed(3)) };
}

/** Says how far it is, now and then, beside what the command prints. */
export function createProgress(terminal: Terminal): (line: string) => void {
  let lastMs = systemClock.monotonicMs();
  return (line) => {
    if (systemClock.monotonicMs() - lastMs < progressMs) return;
    lastMs = systemClock.monotonicMs();
    terminal.err(line);
  };
}

export function size(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`;
}
