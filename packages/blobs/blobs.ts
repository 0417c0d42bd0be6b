/** What `put` stored. */
export interface StoredBlob {
  /** `namespace/ULID`. Keys of one namespace sort in the order they were made (per process). */
  readonly key: string;
  readonly bytes: number;
  /** Lower-case hex digest of exactly the stored bytes. */
  readonly sha256: string;
}

export interface BlobStat {
  readonly key: string;
  readonly bytes: number;
  /** When the key was made, milliseconds since the Unix epoch. */
  readonly createdAtMs: number;
}

export interface PutOptions {
  /**
   * Groups blobs of one purpose, so that its owner can list them and collect orphans without touching others.
   * A constant of the program: 1–32 lower-case letters, digits and hyphens, beginning with a letter. Default `general`.
   */
  readonly namespace?: string;
  /** More bytes than this are refused with `BLOB_TOO_LARGE` as soon as they are seen. Default: no limit. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Keeps bytes under keys that the store makes itself; what is stored never changes.
 *
 * All calls may run concurrently. A key that this store did not make (also one with path segments in it) is simply
 * not found. After `close()` every call is refused with `BLOBS_CLOSED`.
 *
 * @throws {BlobError} `BLOB_STORE_UNAVAILABLE` (worth retrying) from every call when the store cannot be reached.
 */
export interface Blobs {
  /**
   * Stores the bytes under a new key. Once it resolves they survive `kill -9` and power loss. When it rejects, nothing
   * is left behind and no key was used. Not idempotent: two calls make two blobs.
   * An iterable is read one chunk at a time and its `return()` is called when reading stops early; its own errors are
   * passed on unchanged.
   * @throws {BlobError} `BLOB_TOO_LARGE`; `BLOB_STORE_FULL` (worth retrying); `BLOB_NAMESPACE_INVALID`; the signal's
   * reason when aborted before the blob became durable.
   */
  put(data: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<StoredBlob>;
  /** The whole blob. @throws {BlobError} `BLOB_NOT_FOUND`. */
  get(key: string, options?: ReadOptions): Promise<Uint8Array>;
  /**
   * The blob in chunks of at most 64 KiB. The existence is checked before this resolves; the resource is freed when the
   * iteration ends or is left, so iterate it once or call `return()`. A delete meanwhile does not disturb the reader.
   * @throws {BlobError} `BLOB_NOT_FOUND`.
   */
  open(key: string, options?: ReadOptions): Promise<AsyncIterableIterator<Uint8Array>>;
  /** `undefined` when there is no such blob. */
  stat(key: string): Promise<BlobStat | undefined>;
  /** True when this call removed the blob, false when there was none. Of concurrent calls one gets true. */
  delete(key: string): Promise<boolean>;
  /**
   * Keys that begin with `prefix` in ascending order, only those greater than `after`. Blobs put or deleted during the
   * walk may or may not be seen; every other one is seen exactly once.
   */
  list(prefix: string, after?: string): AsyncIterable<string>;
  /** Ends puts under way with `BLOBS_CLOSED`; resolves when nothing is being written any more. May be repeated. */
  close(): Promise<void>;
}
