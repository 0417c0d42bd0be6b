import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { canMountSmallDisk, mountSmallDisk } from "@signalbox/testing/servers";
import { describe, expect, test, vi } from "vitest";
import { createFileBlobs } from "./file-blobs.js";

const mebibyte = 1024 * 1024;

describe("blobs as files", () => {
  test("what was acknowledged before kill -9 is whole, and the rest is gone when the store is opened again", async () => {
    const directory = await mkdtemp(join(tmpdir(), "signalbox-blobs-"));
    const { child, lines, ended } = putUntilKilled(directory);
    const acknowledged: { key: string; sha256: string }[] = [];
    while (acknowledged.length < 20) {
      const line = await lines.next();
      if (line.done === true) throw new Error("The process ended early");
      acknowledged.push(JSON.parse(line.value));
    }
    await vi.waitFor(async () => expect(await readdir(join(directory, ".incoming"))).not.toEqual([]));
    child.kill("SIGKILL");
    await ended;
    for (let line = await lines.next(); line.done !== true; line = await lines.next())
      acknowledged.push(JSON.parse(line.value));

    const blobs = await createFileBlobs({ directory });
    expect(await readdir(join(directory, ".incoming"))).toEqual([]);
    for (const { key, sha256 } of acknowledged) {
      expect(
        createHash("sha256")
          .update(await blobs.get(key))
          .digest("hex"),
      ).toBe(sha256);
    }
    for await (const key of blobs.list("")) expect(await blobs.stat(key)).toMatchObject({ bytes: 300_000 });
    await blobs.close();
    await rm(directory, { recursive: true });
  });

  test.skipIf(!canMountSmallDisk())(
    "PF-064 a full disk refuses puts as retryable, harms nothing, and takes them again when there is room (needs the right to mount)",
    async () => {
      const disk = mountSmallDisk(2 * mebibyte);
      try {
        const blobs = await createFileBlobs({ directory: join(disk.path, "blobs") });
        const stored = await blobs.put(Buffer.alloc(mebibyte, "a"));
        const full = { name: "BlobError", code: "BLOB_STORE_FULL", retryable: true, status: 503 };
        await expect(blobs.put(Buffer.alloc(2 * mebibyte, "b"))).rejects.toMatchObject(full);
        await expect(blobs.put(chunks(2 * mebibyte))).rejects.toMatchObject(full);
        expect(await readdir(join(disk.path, "blobs", ".incoming"))).toEqual([]);
        expect(Buffer.from(await blobs.get(stored.key)).equals(Buffer.alloc(mebibyte, "a"))).toBe(true);
        const keys: string[] = [];
        for await (const key of blobs.list("")) keys.push(key);
        expect(keys).toEqual([stored.key]);
        disk.resize(8 * mebibyte);
        const second = await blobs.put(Buffer.alloc(2 * mebibyte, "b"));
        expect(second.bytes).toBe(2 * mebibyte);
        await blobs.close();
      } finally {
        disk.unmount();
      }
    },
  );
});

async function* chunks(bytes: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < bytes; sent += 65_536) yield Buffer.alloc(65_536);
}

/** A process that puts blobs of 300,000 bytes for ever, several at once, and prints each that was acknowledged. */
function putUntilKilled(directory: string): {
  child: ChildProcess;
  lines: AsyncIterator<string>;
  ended: Promise<unknown>;
} {
  const program = `
    import { randomBytes } from "node:crypto";
    import { createFileBlobs } from ${JSON.stringify(new URL("./dist/file-blobs.js", import.meta.url).href)};
    const blobs = await createFileBlobs({ directory: ${JSON.stringify(directory)} });
    async function* source() {
      for (let sent = 0; sent < 300_000; sent += 1_000) yield randomBytes(1_000);
    }
    for (let writers = 0; writers < 4; writers++) {
      (async () => { for (;;) console.log(JSON.stringify(await blobs.put(source()))); })();
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](), ended };
}
