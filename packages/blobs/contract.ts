import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Blobs, StoredBlob } from "./blobs.js";
import { BlobError } from "./errors.js";

/** A new, empty store of the adapter under test. */
export interface BlobsUnderTest {
  readonly blobs: Blobs;
  /** Opens the same data once more, as another process would. */
  openAnother(): Promise<Blobs>;
  /** Closes everything and removes the data. */
  destroy(): Promise<void>;
}

export interface BlobsContractOptions {
  readonly name: string;
  create(): Promise<BlobsUnderTest>;
}

let namespaces = 0;

/** Every promise of the `Blobs` port, as tests. An adapter's test file calls it first. */
export function describeBlobs({ name, create }: BlobsContractOptions): void {
  describe(`PF-066 ${name} keeps the promises of the blob port`, () => {
    let subject: BlobsUnderTest;
    let blobs: Blobs;
    beforeAll(async () => {
      subject = await create();
      blobs = subject.blobs;
    });
    afterAll(() => subject.destroy());

    /** Tests do not see each other's blobs. */
    const newNamespace = (): string => `test-${++namespaces}`;
    const missingKey = "general/01ARZ3NDEKTSV4RRFFQ69G5FAV";

    describe("put and get", () => {
      test.each<[string, Uint8Array]>([
        ["no bytes", new Uint8Array(0)],
        ["every byte", Uint8Array.from({ length: 256 }, (_, byte) => byte)],
        ["a part of a buffer", Buffer.from("xxabcxx").subarray(2, 5)],
        ["more than one chunk", bytesOf(3_000_001)],
      ])("%s come back as they were put, with size and digest", async (_, data) => {
        const namespace = newNamespace();
        for (const source of [data, chunksOf(data, 70_001), chunksOf(data, 1_500_000)]) {
          const stored = await blobs.put(source, { namespace });
          expect(stored).toEqual({ key: stored.key, bytes: data.byteLength, sha256: digestOf(data) });
          expect(Buffer.from(await blobs.get(stored.key)).equals(data)).toBe(true);
          expect(Buffer.concat(await collect(await blobs.open(stored.key))).equals(data)).toBe(true);
          expect(await blobs.stat(stored.key)).toMatchObject({ key: stored.key, bytes: data.byteLength });
        }
      });

      test("the store makes the key, a new one each time", async () => {
        const stored = [await blobs.put(Buffer.from("same")), await blobs.put(Buffer.from("same"))];
        const other = await blobs.put(Buffer.from("same"), { namespace: "attachments" });
        for (const { key } of stored) expect(key).toMatch(/^general\/[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
        expect(other.key).toMatch(/^attachments\//);
        expect(new Set([...stored, other].map(({ key }) => key)).size).toBe(3);
      });

      test.each(["", "Attachments", "a/b", "..", ".incoming", "a b", "-a", "1a", "x".repeat(33), "a\0"])(
        "%j is no namespace",
        async (namespace) => {
          await expect(blobs.put(Buffer.from("x"), { namespace })).rejects.toMatchObject({
            code: "BLOB_NAMESPACE_INVALID",
            retryable: false,
          });
        },
      );

      test("what one opened store put, another reads and deletes", async () => {
        const another = await subject.openAnother();
        const { key } = await blobs.put(Buffer.from("shared"));
        expect(Buffer.from(await another.get(key)).toString()).toBe("shared");
        expect(await another.delete(key)).toBe(true);
        expect(await blobs.stat(key)).toBeUndefined();
        await another.close();
      });

      test("many at once do not disturb each other", async () => {
        const namespace = newNamespace();
        const stored = await Promise.all(
          Array.from({ length: 40 }, (_, index) => blobs.put(chunksOf(bytesOf(10_000 + index), 999), { namespace })),
        );
        for (const [index, { key, sha256 }] of stored.entries()) {
          expect(sha256).toBe(digestOf(bytesOf(10_000 + index)));
          expect(digestOf(await blobs.get(key))).toBe(sha256);
        }
        expect(await collect(blobs.list(`${namespace}/`))).toHaveLength(40);
      });
    });

    describe("limits and failures of a put leave nothing behind", () => {
      const expectNothing = async (namespace: string): Promise<void> => {
        expect(await collect(blobs.list(`${namespace}/`))).toEqual([]);
      };

      test("data at the limit are taken, a byte more is refused", async () => {
        const namespace = newNamespace();
        const full = await blobs.put(bytesOf(1_000), { namespace, maxBytes: 1_000 });
        await blobs.delete(full.key);
        for (const data of [bytesOf(1_001), chunksOf(bytesOf(1_001), 1_000)]) {
          await expect(blobs.put(data, { namespace, maxBytes: 1_000 })).rejects.toMatchObject({
            code: "BLOB_TOO_LARGE",
            retryable: false,
            status: 413,
            details: { max_bytes: 1_000 },
          });
        }
        await expectNothing(namespace);
      });

      test("reading stops at the limit", async () => {
        const namespace = newNamespace();
        const source = endless();
        await expect(blobs.put(source, { namespace, maxBytes: 100_000 })).rejects.toMatchObject({
          code: "BLOB_TOO_LARGE",
        });
        expect(source.returned).toBe(true);
        await expectNothing(namespace);
      });

      test("an error of the source is passed on as it is", async () => {
        const namespace = newNamespace();
        const failure = new Error("the client went away");
        async function* failing(): AsyncGenerator<Uint8Array> {
          yield bytesOf(200_000);
          throw failure;
        }
        await expect(blobs.put(failing(), { namespace })).rejects.toBe(failure);
        await expectNothing(namespace);
      });

      test("an abort ends a put that waits for its source", async () => {
        const namespace = newNamespace();
        const abort = new AbortController();
        const source = stuck();
        const put = blobs.put(source, { namespace, signal: abort.signal });
        await source.waiting;
        const reason = new Error("enough");
        abort.abort(reason);
        await expect(put).rejects.toBe(reason);
        expect(source.returned).toBe(true);
        await expect(blobs.put(Buffer.from("x"), { namespace, signal: abort.signal })).rejects.toBe(reason);
        await expectNothing(namespace);
      });
    });

    describe("keys that the store did not make", () => {
      test.each([
        missingKey,
        "",
        "general",
        "general/",
        "/etc/passwd",
        "../../../etc/passwd",
        "general/../../../etc/passwd",
        "general/01ARZ3NDEKTSV4RRFFQ69G5FAV/../x",
        "general/01arz3ndektsv4rrffq69g5fav",
        "general/81ARZ3NDEKTSV4RRFFQ69G5FAV",
        ".incoming/01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "general/01ARZ3NDEKTSV4RRFFQ69G5FAV\0",
        "general\\01ARZ3NDEKTSV4RRFFQ69G5FAV",
      ])("%j is not found", async (key) => {
        const missing = { name: "BlobError", code: "BLOB_NOT_FOUND", retryable: false, status: 404 };
        await expect(blobs.get(key)).rejects.toMatchObject(missing);
        await expect(blobs.open(key)).rejects.toMatchObject(missing);
        expect(await blobs.stat(key)).toBeUndefined();
        expect(await blobs.delete(key)).toBe(false);
      });
    });

    describe("open", () => {
      test("a large blob comes in small chunks", async () => {
        const { key } = await blobs.put(bytesOf(300_000));
        for (const chunk of await collect(await blobs.open(key))) {
          expect(chunk.byteLength).toBeGreaterThan(0);
          expect(chunk.byteLength).toBeLessThanOrEqual(64 * 1024);
        }
      });

      test("chunks that were handed out do not change", async () => {
        const data = bytesOf(200_000);
        const { key } = await blobs.put(data);
        const chunks = await collect(await blobs.open(key));
        expect(Buffer.concat(chunks).equals(data)).toBe(true);
      });

      test("reading goes on while the blob is deleted", async () => {
        const data = bytesOf(200_000);
        const { key } = await blobs.put(data);
        const reader = await blobs.open(key);
        const first = await reader.next();
        expect(await blobs.delete(key)).toBe(true);
        const rest = await collect(reader);
        expect(Buffer.concat([first.value ?? Buffer.alloc(0), ...rest]).equals(data)).toBe(true);
      });

      test("it may be left before the first chunk, in the middle and twice", async () => {
        const { key } = await blobs.put(bytesOf(200_000));
        const unread = await blobs.open(key);
        await unread.return?.();
        await unread.return?.();
        expect(await unread.next()).toEqual({ done: true, value: undefined });
        for await (const chunk of await blobs.open(key)) {
          expect(chunk.byteLength).toBeGreaterThan(0);
          break;
        }
      });

      test("an abort ends reading with its reason", async () => {
        const { key } = await blobs.put(bytesOf(200_000));
        const abort = new AbortController();
        const reader = await blobs.open(key, { signal: abort.signal });
        await reader.next();
        const reason = new Error("enough");
        abort.abort(reason);
        await expect(reader.next()).rejects.toBe(reason);
        await expect(blobs.get(key, { signal: abort.signal })).rejects.toBe(reason);
      });
    });

    describe("stat, delete and list", () => {
      test("a blob knows when it was made", async () => {
        const beforeMs = Date.now();
        const { key } = await blobs.put(Buffer.from("x"));
        const { createdAtMs = 0 } = (await blobs.stat(key)) ?? {};
        expect(createdAtMs).toBeGreaterThanOrEqual(beforeMs);
        expect(createdAtMs).toBeLessThanOrEqual(Date.now());
      });

      test("of concurrent deletes one succeeds", async () => {
        const { key } = await blobs.put(Buffer.from("x"));
        const outcomes = await Promise.all(Array.from({ length: 5 }, () => blobs.delete(key)));
        expect(outcomes.filter(Boolean)).toHaveLength(1);
        await expect(blobs.get(key)).rejects.toMatchObject({ code: "BLOB_NOT_FOUND" });
      });

      test("keys are listed in their order, from anywhere, and only those with the prefix", async () => {
        const namespace = newNamespace();
        const similar = `${namespace}-b`;
        const stored: StoredBlob[] = [];
        for (let index = 0; index < 12; index++) {
          stored.push(
            await blobs.put(Buffer.from(String(index)), { namespace: index % 3 === 2 ? similar : namespace }),
          );
        }
        const own = stored.map(({ key }) => key).filter((key) => key.startsWith(`${namespace}/`));
        expect(await collect(blobs.list(`${namespace}/`))).toEqual(own);
        expect(await collect(blobs.list(`${namespace}/`, own[3]))).toEqual(own.slice(4));
        expect(await collect(blobs.list(`${namespace}/`, own.at(-1)))).toEqual([]);
        expect(await collect(blobs.list(own[0] ?? ""))).toEqual([own[0]]);
        expect(await collect(blobs.list((own[0] ?? "").slice(0, namespace.length + 8)))).toContain(own[0]);
        const all = await collect(blobs.list(namespace));
        expect(all).toEqual([...all].sort());
        expect(all).toHaveLength(12);
        const everything = await collect(blobs.list(""));
        expect(everything).toEqual([...everything].sort());
      });

      test("a walk survives deletes and puts and sees what stays exactly once", async () => {
        const namespace = newNamespace();
        const keys: string[] = [];
        for (let index = 0; index < 20; index++) keys.push((await blobs.put(bytesOf(1), { namespace })).key);
        const seen: string[] = [];
        for await (const key of blobs.list(`${namespace}/`)) {
          seen.push(key);
          if (seen.length % 2 === 1) await blobs.delete(key);
          await blobs.put(bytesOf(1), { namespace });
        }
        expect(seen.slice(0, 20)).toEqual(keys);
        expect(new Set(seen).size).toBe(seen.length);
      });

      test("a namespace can be emptied and filled at the same time", async () => {
        const namespace = newNamespace();
        await Promise.all(
          Array.from({ length: 8 }, async () => {
            for (let index = 0; index < 10; index++) {
              const { key } = await blobs.put(Buffer.from("x"), { namespace });
              expect(Buffer.from(await blobs.get(key)).toString()).toBe("x");
              expect(await blobs.delete(key)).toBe(true);
            }
          }),
        );
        expect(await collect(blobs.list(`${namespace}/`))).toEqual([]);
      });
    });

    describe("close", () => {
      test("ends a put under way, refuses every call and may be repeated", async () => {
        const closing = await subject.openAnother();
        const namespace = newNamespace();
        const { key } = await closing.put(Buffer.from("stays"), { namespace });
        const source = stuck();
        const put = closing.put(source, { namespace });
        await source.waiting;
        const outcome = put.catch((error: unknown) => error);
        await Promise.all([closing.close(), closing.close()]);
        expect(await outcome).toMatchObject({ code: "BLOBS_CLOSED" });
        const closed = { code: "BLOBS_CLOSED", retryable: false };
        await expect(closing.put(Buffer.from("x"))).rejects.toMatchObject(closed);
        await expect(closing.get(key)).rejects.toMatchObject(closed);
        await expect(closing.open(key)).rejects.toMatchObject(closed);
        await expect(closing.stat(key)).rejects.toMatchObject(closed);
        await expect(closing.delete(key)).rejects.toMatchObject(closed);
        await expect(collect(closing.list(""))).rejects.toBeInstanceOf(BlobError);
        await closing.close();
        expect(await collect(blobs.list(`${namespace}/`))).toEqual([key]);
      });
    });
  });
}

/** Bytes without a short period, the same each time. */
function bytesOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >> 8)) & 255;
  return bytes;
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function* chunksOf(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.byteLength; offset += chunkBytes)
    yield bytes.subarray(offset, offset + chunkBytes);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

interface ObservedSource extends AsyncIterable<Uint8Array> {
  readonly returned: boolean;
}

function endless(): ObservedSource {
  let returned = false;
  return {
    get returned() {
      return returned;
    },
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: bytesOf(1_000) }),
      async return() {
        returned = true;
        return { done: true, value: undefined };
      },
    }),
  };
}

/** Gives one chunk and then nothing for ever. `waiting` resolves when it is asked for the second. */
function stuck(): ObservedSource & { readonly waiting: Promise<void> } {
  let returned = false;
  let asked = (): void => {};
  const waiting = new Promise<void>((resolve) => {
    asked = resolve;
  });
  let given = false;
  return {
    waiting,
    get returned() {
      return returned;
    },
    [Symbol.asyncIterator]: () => ({
      next() {
        if (!given) {
          given = true;
          return Promise.resolve({ done: false, value: bytesOf(100_000) });
        }
        asked();
        return new Promise<never>(() => {});
      },
      async return() {
        returned = true;
        return { done: true, value: undefined };
      },
    }),
  };
}
