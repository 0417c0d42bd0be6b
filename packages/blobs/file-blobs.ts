import { type FileHandle, mkdir, open, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Clock, createUlidFactory, systemClock, ulidTimeMs } from "@signalbox/kernel";
import type { BlobStat, Blobs, PutOptions, ReadOptions, StoredBlob } from "./blobs.js";
import { BlobError } from "./errors.js";
import { moveDurably, namesIn, removeEmptyFolders } from "./folders.js";
import { releaseTemporaryName, removeOrphans, reserveTemporaryName } from "./incoming.js";
import { missingAsUndefined, translateErrors } from "./system-errors.js";
import { tooLarge, writeFileDurably } from "./write-file.js";

export interface FileBlobsOptions {
  /** Made when it does not exist. Holds nothing but blobs; several processes may share it. */
  readonly directory: string;
  readonly clock?: Clock;
}

export const namespacePattern = /^[a-z][a-z0-9-]{0,31}$/;
const keyPattern = /^([a-z][a-z0-9-]{0,31})\/([0-7][0-9A-HJKMNP-TV-Z]{25})$/;

/** Begins with a dot, so it is never a namespace. */
const incomingFolder = ".incoming";

const readChunkBytes = 64 * 1024;

/**
 * Blobs as files: `directory/namespace/<9 hours>/<33 seconds>/<ULID>`. The two folders are the first five and the next
 * two characters of the ULID, so folders stay small at any rate and a listing in key order reads only those it needs.
 *
 * A blob is written to `.incoming`, synced and renamed to its place, whose folder is synced too, in this order: a name in
 * a namespace always stands for a whole blob. Temporary files of processes that died are removed when a store is opened.
 */
export async function createFileBlobs(options: FileBlobsOptions): Promise<Blobs> {
  const clock = options.clock ?? systemClock;
  const incoming = join(options.directory, incomingFolder);
  await translateErrors(async () => {
    await mkdir(incoming, { recursive: true, mode: 0o700 });
    await removeOrphans(incoming, clock.nowMs());
  });
  return new FileBlobs(options.directory, incoming, clock);
}

class FileBlobs implements Blobs {
  readonly #directory: string;
  readonly #incoming: string;
  readonly #nextUlid: () => string;
  readonly #closing = new AbortController();
  readonly #puts = new Set<Promise<StoredBlob>>();

  constructor(directory: string, incoming: string, clock: Clock) {
    this.#directory = directory;
    this.#incoming = incoming;
    this.#nextUlid = createUlidFactory(() => clock.nowMs());
  }

  async put(data: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<StoredBlob> {
    const put = this.#put(data, options);
    this.#puts.add(put);
    try {
      return await put;
    } finally {
      this.#puts.delete(put);
    }
  }

  async #put(data: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredBlob> {
    this.#refuseWhenClosed();
    options.signal?.throwIfAborted();
    const { namespace = "general", maxBytes = Number.POSITIVE_INFINITY } = options;
    if (!namespacePattern.test(namespace)) throw new BlobError("BLOB_NAMESPACE_INVALID", { details: { namespace } });
    if (data instanceof Uint8Array && data.byteLength > maxBytes) throw tooLarge(maxBytes);
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])]);

    const id = this.#nextUlid();
    const temporaryName = reserveTemporaryName(id);
    const temporaryPath = join(this.#incoming, temporaryName);
    try {
      const written = await writeFileDurably(temporaryPath, data, { maxBytes, signal });
      await translateErrors(() => moveDurably(temporaryPath, this.#directory, foldersOf(namespace, id), id));
      return { key: `${namespace}/${id}`, ...written };
    } catch (error) {
      for (const path of [temporaryPath, this.#pathOf(namespace, id)]) await unlink(path).catch(() => {});
      throw error;
    } finally {
      releaseTemporaryName(temporaryName);
    }
  }

  async get(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const handle = await this.#openFile(key, options.signal);
    try {
      return await translateErrors(() => handle.readFile({ signal: options.signal }));
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error;
    } finally {
      await handle.close();
    }
  }

  async open(key: string, options: ReadOptions = {}): Promise<AsyncIterableIterator<Uint8Array>> {
    return new FileChunks(await this.#openFile(key, options.signal), options.signal);
  }

  async stat(key: string): Promise<BlobStat | undefined> {
    this.#refuseWhenClosed();
    const path = this.#pathOfKey(key);
    if (!path) return undefined;
    const file = await translateErrors(() => missingAsUndefined(stat(path)));
    return file && { key, bytes: file.size, createdAtMs: ulidTimeMs(key.slice(-26)) };
  }

  async delete(key: string): Promise<boolean> {
    this.#refuseWhenClosed();
    const path = this.#pathOfKey(key);
    if (!path) return false;
    const removed = await translateErrors(() => missingAsUndefined(unlink(path).then(() => true)));
    if (!removed) return false;
    await removeEmptyFolders(dirname(path));
    return true;
  }

  async *list(prefix: string, after = ""): AsyncGenerator<string, void, undefined> {
    this.#refuseWhenClosed();
    for (const namespace of (await this.#names(this.#directory)).sort(inKeyOrder)) {
      if (!namespacePattern.test(namespace) || !mayHold(`${namespace}/`, prefix, after)) continue;
      const folder = join(this.#directory, namespace);
      for (const outer of await this.#names(folder)) {
        if (!mayHold(`${namespace}/${outer}`, prefix, after)) continue;
        for (const inner of await this.#names(join(folder, outer))) {
          if (!mayHold(`${namespace}/${outer}${inner}`, prefix, after)) continue;
          for (const id of await this.#names(join(folder, outer, inner))) {
            const key = `${namespace}/${id}`;
            if (key > after && key.startsWith(prefix) && keyPattern.test(key)) yield key;
          }
        }
      }
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new BlobError("BLOBS_CLOSED"));
    await Promise.allSettled(this.#puts);
  }

  async #openFile(key: string, signal: AbortSignal | undefined): Promise<FileHandle> {
    this.#refuseWhenClosed();
    signal?.throwIfAborted();
    const path = this.#pathOfKey(key);
    const handle = path && (await translateErrors(() => missingAsUndefined(open(path, "r"))));
    if (!handle) throw new BlobError("BLOB_NOT_FOUND", { details: { key } });
    return handle;
  }

  #names(folder: string): Promise<string[]> {
    return translateErrors(() => namesIn(folder));
  }

  #pathOfKey(key: string): string | undefined {
    const parts = partsOf(key);
    return parts && join(this.#directory, ...parts);
  }

  #pathOf(namespace: string, id: string): string {
    return join(this.#directory, ...foldersOf(namespace, id), id);
  }

  #refuseWhenClosed(): void {
    if (this.#closing.signal.aborted) throw new BlobError("BLOBS_CLOSED");
  }
}

/** Folders and name of a blob below the directory of its store; `undefined` for what is no key. */
export function partsOf(key: string): readonly string[] | undefined {
  const [, namespace, id] = keyPattern.exec(key) ?? [];
  return namespace && id ? [...foldersOf(namespace, id), id] : undefined;
}

function foldersOf(namespace: string, id: string): string[] {
  return [namespace, id.slice(0, 5), id.slice(5, 7)];
}

/** Whether keys that begin with `start` can begin with `prefix` and be greater than `after`. */
function mayHold(start: string, prefix: string, after: string): boolean {
  const startsAlike = prefix.startsWith(start) || start.startsWith(prefix);
  return startsAlike && start >= after.slice(0, start.length);
}

/** The slash counts: `a-b/…` comes before `a/…`. */
function inKeyOrder(one: string, other: string): number {
  return `${one}/` < `${other}/` ? -1 : 1;
}

/** Chunks of an open file. Not a generator: leaving one before its first `next` would not run its `finally`. */
class FileChunks implements AsyncIterableIterator<Uint8Array> {
  readonly #handle: FileHandle;
  readonly #signal: AbortSignal | undefined;
  #ended = false;

  constructor(handle: FileHandle, signal: AbortSignal | undefined) {
    this.#handle = handle;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#ended) return { done: true, value: undefined };
    try {
      this.#signal?.throwIfAborted();
      const chunk = Buffer.allocUnsafe(readChunkBytes);
      const { bytesRead } = await translateErrors(() => this.#handle.read(chunk, 0, readChunkBytes));
      if (bytesRead > 0) return { done: false, value: chunk.subarray(0, bytesRead) };
    } catch (error) {
      await this.return();
      throw error;
    }
    return this.return();
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#ended) {
      this.#ended = true;
      await this.#handle.close();
    }
    return { done: true, value: undefined };
  }
}
