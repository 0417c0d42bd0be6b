import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { createVirtualClock } from "./clock.js";
import { createDiskGuard, type DiskGuardOptions, type DiskState } from "./disk-guard.js";
import type { Logger } from "./logger.js";
import { type Gauge, type GaugeOptions, type Metrics, noMetrics } from "./metrics.js";
import { silentLogger } from "./silent-logger.js";

const gibibyte = 1024 ** 3;

/** A disk of which the test says how much is free. */
function createDisk(totalBytes = 100_000) {
  const disk = {
    freeBytes: totalBytes,
    totalBytes,
    broken: false,
    looks: 0,
    async read() {
      disk.looks++;
      if (disk.broken) throw new Error("EIO");
      return { freeBytes: disk.freeBytes, totalBytes: disk.totalBytes };
    },
  };
  return disk;
}

function createGuard(disk: ReturnType<typeof createDisk>, options: Partial<DiskGuardOptions> = {}) {
  const clock = createVirtualClock();
  const guard = createDiskGuard({
    path: "/data",
    minFreeBytes: 1_000,
    intervalMs: 100,
    clock,
    readSpace: disk.read,
    ...options,
  });
  return { guard, clock };
}

describe("PF-064 the disk guard", () => {
  test("knows the state when it has started, and sees it change in time", async () => {
    const disk = createDisk();
    disk.freeBytes = 500;
    const { guard, clock } = createGuard(disk);
    expect(guard.isFull()).toBe(false);
    await guard.start();
    expect(guard.isFull()).toBe(true);
    expect(guard.freeBytes).toBe(500);
    disk.freeBytes = 50_000;
    await clock.advanceBy(99);
    expect(guard.isFull()).toBe(true);
    await clock.advanceBy(1);
    expect(guard.isFull()).toBe(false);
    await guard.stop();
  });

  test.each<[string, number, number]>([
    ["5 % of a small disk", 10 * gibibyte, 0.5 * gibibyte],
    ["1 GiB of a large disk", 1000 * gibibyte, gibibyte],
  ])("keeps %s free when nothing else is said", async (_, totalBytes, minFreeBytes) => {
    const disk = createDisk(totalBytes);
    const { guard } = createGuard(disk, { minFreeBytes: undefined });
    expect(guard.minFreeBytes).toBeUndefined();
    disk.freeBytes = minFreeBytes;
    expect(await guard.check()).toBe("low");
    expect(guard.minFreeBytes).toBe(minFreeBytes);
    disk.freeBytes = minFreeBytes - 1;
    expect(await guard.check()).toBe("full");
  });

  test("does not flap at the border, and resumes by itself", async () => {
    const disk = createDisk();
    const { guard } = createGuard(disk);
    const states: DiskState[] = [];
    for (const freeBytes of [2_000, 1_999, 2_001, 2_399, 1_000, 999, 1_001, 1_199, 1_200, 1_001, 999, 2_399, 2_400]) {
      disk.freeBytes = freeBytes;
      states.push(await guard.check());
    }
    expect(states).toEqual([
      ...["ok", "low", "low", "low", "low"],
      ...["full", "full", "full", "low", "low", "full"],
      ...["low", "ok"],
    ]);
  });

  test("tells listeners each change once, and the log what matters", async () => {
    const disk = createDisk();
    const logged: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      child: () => logger,
      info: (message) => void logged.push(`info: ${message}`),
      warn: (message) => void logged.push(`warn: ${message}`),
      error: (message) => void logged.push(`error: ${message}`),
    };
    const { guard } = createGuard(disk, { logger });
    const changes: string[] = [];
    const forget = guard.onChange((state, previous) => changes.push(`${previous} → ${state}`));
    for (const freeBytes of [1_500, 1_500, 10, 10, 1_500, 50_000]) {
      disk.freeBytes = freeBytes;
      await guard.check();
    }
    forget();
    disk.freeBytes = 10;
    await guard.check();
    expect(changes).toEqual(["ok → low", "low → full", "full → low", "low → ok"]);
    expect(logged).toEqual([
      "warn: disk is nearly full",
      "error: disk is full: intake is refused",
      "warn: disk has room again: intake is resumed",
      "info: disk has enough room again",
      "error: disk is full: intake is refused",
    ]);
  });

  test("keeps its state while the file system cannot be read, and goes on looking", async () => {
    const disk = createDisk();
    disk.freeBytes = 10;
    let warnings = 0;
    const logger: Logger = { ...silentLogger, child: () => logger, warn: () => void warnings++ };
    const { guard, clock } = createGuard(disk, { logger });
    await guard.start();
    disk.broken = true;
    await clock.advanceBy(300);
    expect(guard.isFull()).toBe(true);
    expect(warnings).toBe(1);
    disk.broken = false;
    disk.freeBytes = 50_000;
    await clock.advanceBy(100);
    expect(guard.state).toBe("ok");
    await guard.stop();
  });

  test("stops looking, also before it has started and while it starts", async () => {
    const disk = createDisk();
    const { guard, clock } = createGuard(disk);
    await Promise.all([guard.start(), guard.stop()]);
    await guard.stop();
    const { looks } = disk;
    await clock.advanceBy(1_000);
    expect(disk.looks).toBe(looks);
    expect(clock.nextTimerMs()).toBeUndefined();
    const { guard: neverStarted } = createGuard(disk);
    await neverStarted.stop();
    await neverStarted.start();
    expect(disk.looks).toBe(looks);
  });

  test("stops also during a look", async () => {
    const disk = createDisk();
    let release = (): void => {};
    const { guard, clock } = createGuard(disk, {
      readSpace: async () => {
        if (disk.looks > 0)
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        return disk.read();
      },
    });
    await guard.start();
    await clock.advanceBy(100);
    await guard.stop();
    release();
    await clock.advanceBy(0);
    expect(disk.looks).toBe(2);
    expect(clock.nextTimerMs()).toBeUndefined();
  });

  test("shows the free space and whether it refuses", async () => {
    const disk = createDisk();
    const collects = new Map<string, GaugeOptions["collect"]>();
    const metrics: Metrics = {
      ...noMetrics,
      gauge(options) {
        collects.set(options.name, options.collect);
        return noMetrics.gauge(options);
      },
    };
    const { guard } = createGuard(disk, { metrics });
    disk.freeBytes = 10;
    await guard.check();
    const values: Record<string, number> = {};
    for (const [name, collect] of collects) {
      const gauge: Gauge = {
        set: (value) => Object.assign(values, { [name]: value }),
        add: () => {},
        remove: () => {},
      };
      await collect?.(gauge);
    }
    expect(values).toEqual({ signalbox_disk_free_bytes: 10, signalbox_disk_full: 1 });
  });

  test("reads the file system it stands on", async () => {
    const guard = createDiskGuard({ path: tmpdir(), minFreeBytes: 1 });
    await guard.check();
    expect(guard.freeBytes).toBeGreaterThan(0);
  });
});
