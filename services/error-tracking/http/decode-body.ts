import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync,
} from "node:zlib";
import { errorCode, SignalboxError } from "@signalbox/kernel";
import { ProtocolError } from "@signalbox/sentry-protocol";
import { IngestError } from "./ingest-errors.js";
import { createZstdDecoder } from "./zstd.js";

export type ContentCoding = "gzip" | "deflate" | "br" | "zstd";

const codings: ReadonlyMap<string, ContentCoding | undefined> = new Map([
  ["", undefined],
  ["identity", undefined],
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["deflate", "deflate"],
  ["br", "br"],
  ["zstd", "zstd"],
]);

const maxLayers = 2;

/** What senders of HTTP bodies may expect of a decoder, RFC 9659. */
const maxZstdWindowBytes = 8 * 1024 * 1024;

/**
 * The codings of a `Content-Encoding` header in the order they are to be undone.
 * @throws {IngestError} `ET_ENCODING_UNSUPPORTED`
 */
export function parseContentEncoding(header: string | undefined): readonly ContentCoding[] {
  if (!header) return [];
  const layers: ContentCoding[] = [];
  for (const name of header.toLowerCase().split(",")) {
    const trimmed = name.trim();
    if (!codings.has(trimmed)) throw new IngestError("ET_ENCODING_UNSUPPORTED");
    const coding = codings.get(trimmed);
    if (coding) layers.push(coding);
  }
  if (layers.length > maxLayers) throw new IngestError("ET_ENCODING_UNSUPPORTED", { details: { maxLayers } });
  return layers.reverse();
}

/**
 * Decodes a small body in one go, without leaving the thread: at the usual size that is several times cheaper than a
 * stream. Undefined when it would become larger than `maxBytes`; nothing beyond that was decoded.
 * @throws {ProtocolError} `ET_BODY_CORRUPT`
 */
export function decodeWhole(
  body: Uint8Array,
  layers: readonly ContentCoding[],
  maxBytes: number,
): Uint8Array | undefined {
  let bytes = body;
  for (const coding of layers) {
    try {
      bytes = decodeLayer(bytes, coding, maxBytes);
    } catch (cause) {
      if (errorCode(cause) === "ERR_BUFFER_TOO_LARGE") return undefined;
      throw new ProtocolError("ET_BODY_CORRUPT", { cause });
    }
  }
  return bytes.length > maxBytes ? undefined : bytes;
}

function decodeLayer(bytes: Uint8Array, coding: ContentCoding, maxBytes: number): Uint8Array {
  // Most bodies fit into one or two such chunks; larger ones cost more to allocate than they save.
  const options = { maxOutputLength: maxBytes, chunkSize: 32 * 1024 };
  switch (coding) {
    case "gzip":
      return gunzipSync(bytes, options);
    case "deflate":
      return isZlibWrapped(bytes) ? inflateSync(bytes, options) : inflateRawSync(bytes, options);
    case "br":
      return brotliDecompressSync(bytes, options);
    case "zstd":
      return zstdDecompressSync(bytes, maxBytes);
  }
}

/** Fails with the code that zlib uses when the output passes the limit. */
function zstdDecompressSync(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const decoder = createZstdDecoder({ maxWindowBytes: maxZstdWindowBytes });
  const pieces: Uint8Array[] = [];
  let total = 0;
  for (const piece of decoder.push(bytes)) {
    total += piece.length;
    if (total > maxBytes) throw Object.assign(new RangeError("output too large"), { code: "ERR_BUFFER_TOO_LARGE" });
    pieces.push(piece);
  }
  decoder.end();
  const [only] = pieces;
  return pieces.length === 1 && only ? only : Buffer.concat(pieces, total);
}

/**
 * Decodes a body while it arrives. Output is counted behind every layer; the piece that passes `maxBytes` ends the
 * decoding at once and is not given out. Ending the iteration early stops the decoders and the source.
 * @throws {ProtocolError} `ET_BODY_CORRUPT`; `ET_BODY_TOO_LARGE`; and what the source throws
 */
export function decodeStream(
  body: AsyncIterable<Uint8Array>,
  layers: readonly ContentCoding[],
  maxBytes: number,
): AsyncIterable<Uint8Array> {
  let bytes = body;
  for (const coding of layers) bytes = limited(decodeLayerStream(bytes, coding), maxBytes);
  return layers.length === 0 ? limited(bytes, maxBytes) : bytes;
}

async function* limited(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const piece of source) {
    total += piece.length;
    if (total > maxBytes) throw new ProtocolError("ET_BODY_TOO_LARGE", { details: { maxBytes } });
    yield piece;
  }
}

async function* decodeLayerStream(
  source: AsyncIterable<Uint8Array>,
  coding: ContentCoding,
): AsyncGenerator<Uint8Array> {
  try {
    switch (coding) {
      case "gzip":
        return yield* throughZlib(source, createGunzip(zlibOptions));
      case "br":
        return yield* throughZlib(source, createBrotliDecompress(zlibOptions));
      case "zstd":
        return yield* throughZstd(source);
      case "deflate": {
        const { head, rest } = await readHead(source);
        return yield* throughZlib(
          rest,
          isZlibWrapped(head) ? createInflate(zlibOptions) : createInflateRaw(zlibOptions),
        );
      }
    }
  } catch (cause) {
    // What the source threw is more telling than that the data ended early because of it.
    throw cause instanceof SignalboxError ? cause : new ProtocolError("ET_BODY_CORRUPT", { cause });
  }
}

const zlibOptions = { chunkSize: 64 * 1024 };

async function* throughZlib(
  source: AsyncIterable<Uint8Array>,
  decoder: ReturnType<typeof createGunzip> | ReturnType<typeof createBrotliDecompress>,
): AsyncGenerator<Uint8Array> {
  // Fails when the decoder is destroyed below; its own errors also come out of the loop.
  const feeding = pipeline(Readable.from(source, { objectMode: true, highWaterMark: 1 }), decoder).catch(() => {});
  try {
    yield* decoder;
  } finally {
    decoder.destroy();
    await feeding;
  }
}

async function* throughZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = createZstdDecoder({ maxWindowBytes: maxZstdWindowBytes });
  for await (const piece of source) yield* decoder.push(piece);
  decoder.end();
}

/** Reads at least two bytes ahead, if there are as many. */
async function readHead(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly head: Uint8Array; readonly rest: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 2) {
    const next = await iterator.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* rest(): AsyncGenerator<Uint8Array> {
    try {
      yield head;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head, rest: rest() };
}

/** Many clients call raw deflate data `deflate`, which means zlib's format; the first two bytes tell. */
function isZlibWrapped(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  const second = bytes[1] ?? 0;
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
}
