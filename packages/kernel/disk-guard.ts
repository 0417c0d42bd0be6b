import { statfs } from "node:fs/promises";
import { type Clock, systemClock, type Timer } from "./clock.js";
import { createService, type Service } from "./lifecycle.js";
import type { Logger } from "./logger.js";
import { type Metrics, noMetrics } from "./metrics.js";
import { silentLogger } from "./silent-logger.js";

/** `full`: take nothing in. `low`: soon; only a warning. */
export type DiskState = "ok" | "low" | "full";

export interface DiskSpace {
  /** What this process may still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface DiskGuardOptions {
  /** Any path on the file system that is watched; it must exist. */
  readonly path: string;
  /** Less free space than this is full. Default: the smaller of 1 GiB and 5 % of the file system. */
  readonly minFreeBytes?: number;
  /** Time between two looks. Default 2 s: a gigabyte is not filled in that time by what one server takes in. */
  readonly intervalMs?: number;
  readonly readSpace?: (path: string) => Promise<DiskSpace>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
}

export type DiskListener = (state: DiskState, previous: DiskState) => void;

/**
 * Watches free space, so that intake is refused while there is still room to work on what was taken in.
 *
 * `full` begins below the minimum and `low` below twice of it; each ends by itself a fifth above where it began, so that a disk
 * at the border does not flap. While the file system cannot be read the state stays as it was. `start` resolves after
 * the first look; before, the state is `ok`.
 */
export interface DiskGuard extends Service {
  readonly state: DiskState;
  /** At the last look; `undefined` before the first. */
  readonly freeBytes: number | undefined;
  /** The minimum that holds; `undefined` before the first look unless it was given. */
  readonly minFreeBytes: number | undefined;
  isFull(): boolean;
  /** Calls the listener after each change of state until the returned function is called. */
  onChange(listener: DiskListener): () => void;
  /** Looks now. Concurrent calls share one look. */
  check(): Promise<DiskState>;
}

const gibibyte = 1024 ** 3;
const smallPart = 0.05;
const lowFactor = 2;
const resumeFactor = 1.2;

export function createDiskGuard(options: DiskGuardOptions): DiskGuard {
  return new FileSystemGuard(options);
}

class FileSystemGuard implements DiskGuard {
  readonly name = "disk guard";
  readonly #path: string;
  readonly #givenMinBytes: number | undefined;
  readonly #intervalMs: number;
  readonly #readSpace: (path: string) => Promise<DiskSpace>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #service: Service;
  readonly #listeners = new Set<DiskListener>();
  #state: DiskState = "ok";
  #space: DiskSpace | undefined;
  #looking: Promise<DiskState> | undefined;
  #readable = true;
  #stopped = false;
  #timer: Timer | undefined;

  constructor(options: DiskGuardOptions) {
    this.#path = options.path;
    this.#givenMinBytes = options.minFreeBytes;
    this.#intervalMs = options.intervalMs ?? 2_000;
    this.#readSpace = options.readSpace ?? readFileSystem;
    this.#clock = options.clock ?? systemClock;
    this.#logger = (options.logger ?? silentLogger).child("disk-guard");
    this.#register(options.metrics ?? noMetrics);
    this.#service = createService({
      name: this.name,
      start: () => this.#watch(),
      stop: async () => {
        this.#stopped = true;
        this.#timer?.cancel();
      },
    });
  }

  get state(): DiskState {
    return this.#state;
  }

  get freeBytes(): number | undefined {
    return this.#space?.freeBytes;
  }

  get minFreeBytes(): number | undefined {
    return this.#givenMinBytes ?? (this.#space && Math.min(gibibyte, this.#space.totalBytes * smallPart));
  }

  isFull(): boolean {
    return this.#state === "full";
  }

  onChange(listener: DiskListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  check(): Promise<DiskState> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  start(): Promise<void> {
    return this.#service.start();
  }

  stop(): Promise<void> {
    return this.#service.stop();
  }

  async #watch(): Promise<void> {
    await this.check();
    if (!this.#stopped) this.#timer = this.#clock.setTimer(this.#intervalMs, () => void this.#watch());
  }

  async #look(): Promise<DiskState> {
    try {
      this.#space = await this.#readSpace(this.#path);
      this.#readable = true;
    } catch (error) {
      if (this.#readable) this.#logger.warn("free disk space cannot be read", { path: this.#path, error });
      this.#readable = false;
      return this.#state;
    }
    const next = nextState(this.#state, this.#space.freeBytes, this.minFreeBytes ?? 0);
    if (next !== this.#state) this.#change(next);
    return this.#state;
  }

  #change(next: DiskState): void {
    const previous = this.#state;
    this.#state = next;
    const fields = { path: this.#path, free_bytes: this.freeBytes, min_free_bytes: this.minFreeBytes };
    if (next === "full") this.#logger.error("disk is full: intake is refused", fields);
    else if (previous === "full") this.#logger.warn("disk has room again: intake is resumed", fields);
    else if (next === "low") this.#logger.warn("disk is nearly full", fields);
    else this.#logger.info("disk has enough room again", fields);
    for (const listener of this.#listeners) listener(next, previous);
  }

  #register(metrics: Metrics): void {
    metrics.gauge({
      name: "signalbox_disk_free_bytes",
      help: "Free space of the file system that holds the data directory.",
      collect: (gauge) => gauge.set(this.freeBytes ?? 0),
    });
    metrics.gauge({
      name: "signalbox_disk_full",
      help: "1 while intake is refused because too little space is free, else 0.",
      collect: (gauge) => gauge.set(this.isFull() ? 1 : 0),
    });
  }
}

/** A state that holds already lasts a fifth longer than it would take to enter it. */
function nextState(current: DiskState, freeBytes: number, minFreeBytes: number): DiskState {
  const fullBelow = minFreeBytes * (current === "full" ? resumeFactor : 1);
  const lowBelow = minFreeBytes * lowFactor * (current === "ok" ? 1 : resumeFactor);
  if (freeBytes < fullBelow) return "full";
  return freeBytes < lowBelow ? "low" : "ok";
}

async function readFileSystem(path: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
