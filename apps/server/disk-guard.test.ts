import { createVirtualClock, type LogFields, noMetrics, silentLogger } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { createDiskGuard, type DiskSpace, defaultMinFreeBytes, readDiskSpace } from "./disk-guard.js";

const gib = 2 ** 30;

describe("disk guard", () => {
  test("refuses below the minimum, resumes by itself, and alarms once each way", async () => {
    const { guard, lines, disk, later } = guardOf({ minFreeBytes: 100 });
    disk.freeBytes = 100;
    await guard.start();
    expect(guard.isFull).toBe(false);

    disk.freeBytes = 99;
    await later();
    expect(guard.isFull).toBe(true);
    await later();

    disk.freeBytes = 105;
    await later();
    expect(guard.isFull).toBe(true);

    disk.freeBytes = 110;
    await later();
    expect(guard.isFull).toBe(false);
    expect(lines).toEqual([
      "error: the disk is almost full, intake is refused",
      "info: the disk has room again, intake goes on",
    ]);
    await guard.stop();
  });

  test("space is scarce below twice the minimum", async () => {
    const { guard, disk, later } = guardOf({ minFreeBytes: 100 });
    disk.freeBytes = 200;
    await guard.start();
    expect(guard.isScarce).toBe(false);
    disk.freeBytes = 199;
    await later();
    expect(guard.isScarce).toBe(true);
    await guard.stop();
  });

  test("the default minimum is 1 GiB or 5 % of the disk, the smaller", async () => {
    expect(defaultMinFreeBytes(1000 * gib)).toBe(gib);
    expect(defaultMinFreeBytes(10 * gib)).toBe(0.5 * gib);
    const { guard, disk } = guardOf({});
    Object.assign(disk, { totalBytes: 10 * gib, freeBytes: 0.4 * gib });
    await guard.start();
    expect(guard.isFull).toBe(true);
    await guard.stop();
  });

  test("a disk that cannot be asked changes nothing", async () => {
    const { guard, disk, later } = guardOf({ minFreeBytes: 100 });
    disk.freeBytes = 99;
    await guard.start();
    disk.broken = true;
    await later();
    expect(guard.isFull).toBe(true);
    await guard.stop();
  });

  test("stops looking when it is stopped", async () => {
    const { guard, clock } = guardOf({ minFreeBytes: 100 });
    await guard.start();
    await guard.stop();
    expect(clock.nextTimerMs()).toBeUndefined();
  });

  test("reads the space of a real disk", async () => {
    const space = await readDiskSpace(".");
    expect(space.freeBytes).toBeGreaterThan(0);
    expect(space.totalBytes).toBeGreaterThanOrEqual(space.freeBytes);
  });
});

function guardOf(options: { minFreeBytes?: number }) {
  const clock = createVirtualClock();
  const lines: string[] = [];
  const disk = { freeBytes: 10 * gib, totalBytes: 100 * gib, broken: false };
  const write = (level: string) => (message: string, _fields?: LogFields) => void lines.push(`${level}: ${message}`);
  const logger = { ...silentLogger, info: write("info"), error: write("error"), child: () => logger };
  const guard = createDiskGuard({
    directory: ".",
    ...options,
    clock,
    logger,
    metrics: noMetrics,
    async readSpace(): Promise<DiskSpace> {
      if (disk.broken) throw new Error("no answer");
      return { freeBytes: disk.freeBytes, totalBytes: disk.totalBytes };
    },
  });
  return { guard, clock, lines, disk, later: () => clock.advanceBy(2_000) };
}
