import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canMountSmallDisk, mountSmallDisk } from "@signalbox/testing/servers";
import { expect, test, vi } from "vitest";
import { createDiskGuard } from "./disk-guard.js";

const mebibyte = 1024 * 1024;

test.skipIf(!canMountSmallDisk())(
  "PF-064 the guard sees a real disk fill and empty (needs the right to mount one)",
  async () => {
    const disk = mountSmallDisk(20 * mebibyte);
    const guard = createDiskGuard({ path: disk.path, intervalMs: 10 });
    try {
      await guard.start();
      expect(guard.state).toBe("ok");
      expect(guard.minFreeBytes).toBe(mebibyte);
      const file = join(disk.path, "ballast");
      writeFileSync(file, Buffer.alloc(19.5 * mebibyte));
      await vi.waitFor(() => expect(guard.isFull()).toBe(true));
      rmSync(file);
      await vi.waitFor(() => expect(guard.state).toBe("ok"));
    } finally {
      await guard.stop();
      disk.unmount();
    }
  },
);
