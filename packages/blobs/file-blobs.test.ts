import { readdirSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { describeBlobs } from "./contract.js";
import { createFileBlobs } from "./file-blobs.js";

describeBlobs({
  name: "files",
  async create() {
    const directory = await mkdtemp(join(tmpdir(), "signalbox-blobs-"));
    const blobs = await createFileBlobs({ directory });
    return {
      blobs,
      openAnother: () => createFileBlobs({ directory }),
      async destroy() {
        await blobs.close();
        await rm(directory, { recursive: true });
      },
    };
  },
});

describe("blobs as files", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "signalbox-blobs-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const files = async (): Promise<string[]> => {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  };

  test("a file is readable by its owner alone, and its folders go when they are empty", async () => {
    const blobs = await createFileBlobs({ directory });
    const stored = [await blobs.put(Buffer.from("one")), await blobs.put(Buffer.from("two"))];
    const [file = ""] = await files();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    for (const { key } of stored) await blobs.delete(key);
    expect(await files()).toEqual([]);
    expect(await readdir(join(directory, "general"))).toEqual([]);
    await blobs.close();
  });

  test("a put under way is a temporary file, and nothing of it stays when it fails", async () => {
    const blobs = await createFileBlobs({ directory });
    const abort = new AbortController();
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1_000);
      await new Promise<never>(() => {});
    }
    const put = blobs.put(source(), { signal: abort.signal });
    const outcome = put.catch((error: unknown) => error);
    await vi.waitFor(async () => expect(await readdir(join(directory, ".incoming"))).toHaveLength(1));
    // Opening the store again must not take it away.
    await (await createFileBlobs({ directory })).close();
    expect(await readdir(join(directory, ".incoming"))).toHaveLength(1);
    abort.abort(new Error("enough"));
    expect(await outcome).toBe(abort.signal.reason);
    expect(await files()).toEqual([]);
    await blobs.close();
  });

  test("closing resolves when nothing is being written any more", async () => {
    const blobs = await createFileBlobs({ directory });
    async function* source(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(100_000);
    }
    const outcomes = Promise.allSettled(Array.from({ length: 5 }, () => blobs.put(source())));
    await vi.waitFor(async () => expect(await readdir(join(directory, ".incoming"))).toHaveLength(5));
    await blobs.close();
    expect(readdirSync(join(directory, ".incoming"))).toEqual([]);
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: "BLOBS_CLOSED" } });
  });

  test("temporary files of dead writers are removed when the store is opened, those of living ones stay", async () => {
    const incoming = join(directory, ".incoming");
    await mkdir(incoming);
    const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, "-");
    const id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const hourAgo = new Date(Date.now() - 61 * 60_000);
    const leave = async (name: string, modifiedAt = new Date()): Promise<void> => {
      await writeFile(join(incoming, name), "part");
      await utimes(join(incoming, name), modifiedAt, modifiedAt);
    };
    await leave(`${host}.${process.ppid}.${id}`);
    await leave(`another-host.1.${id}`);
    await leave(`${host}.999999999.${id}`);
    await leave(`${host}.${process.pid}.${id}`);
    await leave("written by something else", hourAgo);
    await leave(`yet-another-host.1.${id}`, hourAgo);
    await (await createFileBlobs({ directory })).close();
    expect((await readdir(incoming)).sort()).toEqual([`${host}.${process.ppid}.${id}`, `another-host.1.${id}`].sort());
  });

  test("foreign files are not listed, and no key leads out of the directory", async () => {
    const blobs = await createFileBlobs({ directory });
    const { key } = await blobs.put(Buffer.from("x"));
    await writeFile(join(directory, "notes.txt"), "x");
    await writeFile(join(directory, "general", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), "x");
    await mkdir(join(directory, "general", "01ARZ", "3N"), { recursive: true });
    await writeFile(join(directory, "general", "01ARZ", "3N", "notes.txt"), "x");
    await symlink("/etc", join(directory, "UPPER"));
    const listed: string[] = [];
    for await (const listedKey of blobs.list("")) listed.push(listedKey);
    expect(listed).toEqual([key]);
    await blobs.close();
  });

  test("a directory that cannot be used says so, and works again when it can", async () => {
    await writeFile(join(directory, "file"), "");
    await expect(createFileBlobs({ directory: join(directory, "file") })).rejects.toMatchObject({
      name: "BlobError",
      code: "BLOB_STORE_UNAVAILABLE",
      retryable: true,
      details: { system_error: expect.stringMatching(/^E/) },
    });
    const blobs = await createFileBlobs({ directory: join(directory, "store") });
    const { key } = await blobs.put(Buffer.from("x"));
    const incoming = join(directory, "store", ".incoming");
    await rm(incoming, { recursive: true });
    await writeFile(incoming, "");
    await expect(blobs.put(Buffer.from("x"))).rejects.toMatchObject({ code: "BLOB_STORE_UNAVAILABLE" });
    await rm(incoming);
    await mkdir(incoming);
    await chmod(incoming, 0o700);
    await blobs.put(Buffer.from("x"));
    expect(Buffer.from(await blobs.get(key)).toString()).toBe("x");
    await blobs.close();
  });
});
