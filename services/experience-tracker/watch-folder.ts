import { type FSWatcher, watch } from "node:fs";
import type { Clock, Timer } from "@signalbox/kernel";

export interface FolderWatchOptions {
  readonly directory: string;
  readonly clock: Clock;
  /** Reads again; rejections are its owner's to tell of. */
  readonly reload: () => Promise<unknown>;
}

export interface FolderWatch {
  start(): void;
  stop(): void;
}

const debounceMs = 500;
const pollMs = 10_000;

/**
 * Reads again when something in a folder changes: half a second after the file system told, since changes come in groups, and
 * every ten seconds, since not every file system tells.
 */
export function watchFolder({ directory, clock, reload }: FolderWatchOptions): FolderWatch {
  let timer: Timer | undefined;
  let watcher: FSWatcher | undefined;

  const reloadIn = (delayMs: number): void => {
    timer?.cancel();
    timer = clock.setTimer(delayMs, () => {
      void reload().finally(() => {
        // It may have been stopped meanwhile, and the folder may have appeared.
        if (!timer) return;
        watcher ??= openWatcher();
        reloadIn(pollMs);
      });
    });
  };

  const openWatcher = (): FSWatcher | undefined => {
    try {
      const opened = watch(directory, { persistent: false }, () => {
        if (timer) reloadIn(debounceMs);
      });
      opened.on("error", () => opened.close());
      return opened;
    } catch {
      return undefined;
    }
  };

  return {
    start() {
      reloadIn(pollMs);
      watcher = openWatcher();
    },
    stop() {
      watcher?.close();
      timer?.cancel();
      timer = undefined;
    },
  };
}
