import { statfs } from "node:fs/promises";
import { type Clock, createService, type Logger, type Metrics, type Service, type Timer } from "@signalbox/kernel";

export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Keeps the disk of the data directory from filling up: intake asks it before anything is written. */
export interface DiskGuard extends Service {
  /** Below the minimum: nothing new may be taken in. Ends by itself once a tenth more than the minimum is free. */
  readonly isFull: boolean;
  /** Below twice the minimum: large things may be refused first. */
  readonly isScarce: boolean;
  readonly space: DiskSpace;
  readonly minFreeBytes: number;
}

export interface DiskGuardOptions {
  readonly directory: string;
  /** Absent: 1 GiB or 5 % of the disk, the smaller. */
  readonly minFreeBytes?: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readSpace?: (directory: string) => Promise<DiskSpace>;
}

const lookEveryMs = 2_000;

/** The space is known once `start` has resolved. A disk that cannot be asked counts as it did before. */
export function createDiskGuard(options: DiskGuardOptions): DiskGuard {
  const { directory, clock, readSpace = readDiskSpace } = options;
  const logger = options.logger.child("disk-guard");
  const active = options.metrics.gauge({
    name: "signalbox_disk_guard_active",
    help: "1 while the data directory's disk has less free space than storage.min_free and intake is refused.",
  });
  const free = options.metrics.gauge({
    name: "signalbox_disk_free_bytes",
    help: "Free space on the data directory's disk.",
  });
  let space: DiskSpace = { freeBytes: Number.POSITIVE_INFINITY, totalBytes: Number.POSITIVE_INFINITY };
  let isFull = false;
  let timer: Timer | undefined;

  const minFreeBytes = (): number => options.minFreeBytes ?? defaultMinFreeBytes(space.totalBytes);

  const look = async (): Promise<void> => {
    try {
      space = await readSpace(directory);
    } catch (error) {
      logger.warn("free disk space is unknown", { error, directory });
      return;
    }
    const wasFull = isFull;
    isFull = space.freeBytes < minFreeBytes() + (wasFull ? minFreeBytes() / 10 : 0);
    free.set(space.freeBytes);
    active.set(isFull ? 1 : 0);
    const fields = { directory, free_bytes: space.freeBytes, min_free_bytes: minFreeBytes() };
    if (isFull && !wasFull) logger.error("the disk is almost full, intake is refused", fields);
    if (!isFull && wasFull) logger.info("the disk has room again, intake goes on", fields);
  };

  const service = createService({
    name: "disk-guard",
    async start(signal) {
      await look();
      const again = (): void => {
        if (signal.aborted) return;
        timer = clock.setTimer(lookEveryMs, () => void look().then(again));
      };
      again();
    },
    async stop() {
      timer?.cancel();
    },
  });

  return {
    ...service,
    get isFull() {
      return isFull;
    },
    get isScarce() {
      return space.freeBytes < 2 * minFreeBytes();
    },
    get space() {
      return space;
    },
    get minFreeBytes() {
      return minFreeBytes();
    },
  };
}

export function defaultMinFreeBytes(totalBytes: number): number {
  return Math.min(2 ** 30, totalBytes * 0.05);
}

/** What an unprivileged process can still write on the disk of `directory`. */
export async function readDiskSpace(directory: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
