import { type Xxh64, xxh64 } from "./xxh64.js";
import { type FseTable, type HuffmanTable, ZstdError } from "./zstd-entropy.js";

// What stands before the data of a frame and of a block (RFC 8878, section 3.1.1).

export interface ZstdLimits {
  /** RFC 9659 asks senders of HTTP bodies to stay within 8 MiB. */
  readonly maxWindowBytes: number;
}

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
export const maxBlockBytes = 128 * 1024;
export interface Frame {
  readonly windowBytes: number;
  readonly contentBytes: number | undefined;
  readonly checksum: Xxh64 | undefined;
  readonly blockLimit: number;
  readonly offsets: [number, number, number];
  huffman: HuffmanTable | undefined;
  literalLengths: FseTable | undefined;
  distances: FseTable | undefined;
  matchLengths: FseTable | undefined;
  producedBytes: number;
}

export interface BlockHeader {
  readonly last: boolean;
  readonly type: number;
  readonly size: number;
  /** Bytes that follow the header in the input. */
  readonly inputBytes: number;
}

export const rawBlock = 0;
export const repeatedBlock = 1;
export const compressedBlock = 2;

export type FrameStart =
  | { readonly end: number; readonly frame: Frame }
  | { readonly end: number; readonly frame?: undefined; readonly skipBytes: number };

/** Undefined when more input is needed first. @throws {ZstdError} */
export function readFrameStart(input: Uint8Array, at: number, limits: ZstdLimits): FrameStart | undefined {
  const length = input.length - at;
  if (length === 0) return undefined;
  // Noise is refused at its first wrong byte, not only after four.
  const magic = readUint32(input, at);
  const magicMask = length >= 4 ? 0xffffffff : 2 ** (8 * length) - 1;
  const matches = (expected: number, ignored = 0): boolean => ((magic ^ expected) & magicMask & ~ignored) === 0;
  if (matches(skippableMagic, 15))
    return length < 8 ? undefined : { end: at + 8, skipBytes: readUint32(input, at + 4) };
  if (!matches(frameMagic)) throw new ZstdError("the data is not Zstandard");
  if (length < 5) return undefined;

  const descriptor = input[at + 4] ?? 0;
  const singleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw new ZstdError("a frame uses a reserved bit");
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag;
  const headerBytes = 5 + (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
  if (length < headerBytes) return undefined;

  const dictionaryAt = at + 5 + (singleSegment ? 0 : 1);
  for (let n = 0; n < dictionaryBytes; n++)
    if (input[dictionaryAt + n] !== 0) throw new ZstdError("a frame needs a dictionary");
  let contentBytes: number | undefined;
  if (sizeBytes > 0) {
    contentBytes = sizeBytes === 2 ? 256 : 0;
    for (let n = 0; n < sizeBytes; n++) contentBytes += (input[dictionaryAt + dictionaryBytes + n] ?? 0) * 2 ** (8 * n);
  }
  const windowBytes = singleSegment ? (contentBytes ?? 0) : windowSize(input[at + 5] ?? 0);
  if (windowBytes > limits.maxWindowBytes) throw new ZstdError("a frame asks for too large a window");
  const hasChecksum = (descriptor & 0x04) !== 0;
  return {
    end: at + headerBytes,
    frame: {
      windowBytes,
      contentBytes,
      checksum: hasChecksum ? xxh64() : undefined,
      blockLimit: Math.min(windowBytes, maxBlockBytes),
      offsets: [1, 4, 8],
      huffman: undefined,
      literalLengths: undefined,
      distances: undefined,
      matchLengths: undefined,
      producedBytes: 0,
    },
  };
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** @throws {ZstdError} */
export function readBlockHeader(input: Uint8Array, at: number, limit: number): BlockHeader {
  const header = readUint32(input, at) & 0xffffff;
  const type = (header >> 1) & 3;
  const size = header >> 3;
  if (type === 3 || size > limit) throw new ZstdError("a block header is invalid");
  return { last: (header & 1) !== 0, type, size, inputBytes: type === repeatedBlock ? 1 : size };
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  );
}
