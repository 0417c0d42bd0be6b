import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { BlobError } from "./errors.js";
import { translateErrors } from "./system-errors.js";

/** Hashing 1 MiB takes 1 to 3 ms; between slices the event loop runs. */
const sliceBytes = 1024 * 1024;

export interface WriteLimits {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** Makes the file at `path`, which must not exist, writes the data, and resolves once the bytes are on the disk. */
export async function writeFileDurably(
  path: string,
  data: Uint8Array | AsyncIterable<Uint8Array>,
  { maxBytes, signal }: WriteLimits,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  const handle = await translateErrors(() => open(path, "wx", 0o600));
  try {
    for await (const slice of data instanceof Uint8Array ? slicesOf(data) : slicesOfAll(data, signal)) {
      signal.throwIfAborted();
      bytes += slice.byteLength;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      hash.update(slice);
      await translateErrors(() => writeFully(handle, slice));
    }
    signal.throwIfAborted();
    await translateErrors(() => handle.sync());
  } finally {
    await handle.close();
  }
  signal.throwIfAborted();
  return { bytes, sha256: hash.digest("hex") };
}

export function tooLarge(maxBytes: number): BlobError {
  return new BlobError("BLOB_TOO_LARGE", { details: { max_bytes: maxBytes } });
}

async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.byteLength - offset);
    offset += bytesWritten;
  }
}

function* slicesOf(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let offset = 0; offset < bytes.byteLength; offset += sliceBytes)
    yield bytes.subarray(offset, offset + sliceBytes);
}

/** Leaves the source when aborted, also while it is waiting for a chunk that may never come. */
async function* slicesOfAll(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const aborted = abortion(signal);
  let finished = false;
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), aborted.promise]);
      if (step.done === true) {
        finished = true;
        return;
      }
      yield* slicesOf(step.value);
    }
  } finally {
    aborted.forget();
    // Not awaited: a generator that hangs in `next` would hang in `return` too.
    if (!finished) void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

function abortion(signal: AbortSignal): { promise: Promise<never>; forget: () => void } {
  let onAbort = (): void => {};
  const promise = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  promise.catch(() => {});
  return { promise, forget: () => signal.removeEventListener("abort", onAbort) };
}
