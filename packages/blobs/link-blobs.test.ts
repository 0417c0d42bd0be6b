import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Blobs } from "./blobs.js";
import { createFileBlobs } from "./file-blobs.js";
import { linkBlobs } from "./link-blobs.js";

let directory: string;
let from: string;
let to: string;
let clock: VirtualClock;
let blobs: Blobs;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "signalbox-blobs-"));
  from = join(directory, "blobs");
  to = join(directory, "linked");
  clock = createVirtualClock();
  blobs = await createFileBlobs({ directory: from, clock });
});
afterEach(async () => {
  await blobs.close();
  await rm(directory, { recursive: true });
});

async function read(key: string): Promise<string> {
  const linked = await createFileBlobs({ directory: to });
  try {
    return Buffer.from(await linked.get(key)).toString();
  } finally {
    await linked.close();
  }
}

test("PF-012 what the store deletes afterwards stays where it was linked", async () => {
  const one = await blobs.put(Buffer.from("one"), { namespace: "a" });
  const two = await blobs.put(Buffer.from("two"), { namespace: "a-b" });
  expect(await linkBlobs({ from, to })).toBe(2);
  await blobs.delete(one.key);
  expect(await read(one.key)).toBe("one");
  expect(await read(two.key)).toBe("two");
});

test("PF-012 a second round takes what came since, and nothing twice", async () => {
  const early = await blobs.put(Buffer.from("early"));
  await clock.advanceBy(3_600_000);
  const late = await blobs.put(Buffer.from("late"));
  expect(await linkBlobs({ from, to, sinceMs: clock.nowMs() })).toBe(1);
  expect(await read(late.key)).toBe("late");
  await expect(read(early.key)).rejects.toMatchObject({ code: "BLOB_NOT_FOUND" });
  expect(await linkBlobs({ from, to })).toBe(1);
  expect(await read(early.key)).toBe("early");
});

test("PF-012 a store that nobody has used yet has nothing to link", async () => {
  expect(await linkBlobs({ from: join(directory, "none"), to })).toBe(0);
});
