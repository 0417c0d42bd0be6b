import { decodeHuffmanStream, type HuffmanTable, readHuffmanTable, ZstdError } from "./zstd-entropy.js";
import {
  type BlockHeader,
  compressedBlock,
  type Frame,
  maxBlockBytes,
  rawBlock,
  readUint32,
  repeatedBlock,
} from "./zstd-frame.js";
import { readSequences } from "./zstd-sequences.js";
import type { Window } from "./zstd-window.js";

/** Decodes a block behind what is in the window. What it gives is a copy. @throws {ZstdError} */
export function decodeBlock(
  frame: Frame,
  block: BlockHeader,
  input: Uint8Array,
  at: number,
  output: Window,
): Uint8Array {
  output.reserve(frame.blockLimit);
  const start = output.end;
  if (block.type === rawBlock) output.buffer.set(input.subarray(at, at + block.size), start);
  else if (block.type === repeatedBlock) output.buffer.fill(input[at] ?? 0, start, start + block.size);
  const bytes =
    block.type === compressedBlock ? decodeCompressed(frame, input, at, at + block.size, output) : block.size;
  output.end = start + bytes;
  output.history += bytes;
  return output.buffer.slice(start, start + bytes);
}

function decodeCompressed(frame: Frame, input: Uint8Array, at: number, end: number, output: Window): number {
  const literals = readLiterals(frame, input, at, end);
  return readSequences(frame, input, literals.end, end, literals.bytes, output);
}

interface Literals {
  readonly bytes: Uint8Array;
  readonly end: number;
}

/** Literals of the block being decoded; used again for every block, for it is read before the next begins. */
const literalBuffer = new Uint8Array(maxBlockBytes);

function readLiterals(frame: Frame, input: Uint8Array, at: number, limit: number): Literals {
  const first = input[at] ?? 0;
  const type = first & 3;
  const format = (first >> 2) & 3;
  const word = readUint32(input, at);
  if (type < 2) {
    const headerBytes = (format & 1) === 0 ? 1 : format === 1 ? 2 : 3;
    const size = headerBytes === 1 ? first >> 3 : (word & (headerBytes === 2 ? 0xffff : 0xffffff)) >> 4;
    const start = at + headerBytes;
    const end = start + (type === 0 ? size : 1);
    if (end > limit || size > frame.blockLimit) throw new ZstdError("literals do not fit their block");
    if (type === 0) return { bytes: input.subarray(start, end), end };
    return { bytes: literalBuffer.fill(input[start] ?? 0, 0, size).subarray(0, size), end };
  }
  const headerBytes = format < 2 ? 3 : format + 2;
  const sizeBits = format < 2 ? 10 : format === 2 ? 14 : 18;
  // Two sizes of up to 18 bits behind 4 bits of flags: more than a 32-bit operation can hold.
  const wide = word + (headerBytes === 5 ? (input[at + 4] ?? 0) * 2 ** 32 : 0);
  const size = Math.floor(wide / 16) % 2 ** sizeBits;
  const compressedBytes = Math.floor(wide / 2 ** (4 + sizeBits)) % 2 ** sizeBits;
  let start = at + headerBytes;
  const end = start + compressedBytes;
  if (end > limit || size > frame.blockLimit) throw new ZstdError("literals do not fit their block");
  if (type === 2) {
    const { table, end: tableEnd } = readHuffmanTable(input, start, end);
    frame.huffman = table;
    start = tableEnd;
  }
  if (!frame.huffman) throw new ZstdError("literals refer to a table that was not sent");
  if (format === 0) decodeHuffmanStream(frame.huffman, input, start, end, literalBuffer, 0, size);
  else decodeFourStreams(frame.huffman, input, start, end, size);
  return { bytes: literalBuffer.subarray(0, size), end };
}

function decodeFourStreams(table: HuffmanTable, input: Uint8Array, at: number, end: number, size: number): void {
  if (end - at < 6) throw new ZstdError("literals do not fit their block");
  const share = (size + 3) >> 2;
  let start = at + 6;
  for (let stream = 0; stream < 4; stream++) {
    const bytes = (input[at + 2 * stream] ?? 0) | ((input[at + 2 * stream + 1] ?? 0) << 8);
    const streamEnd = stream < 3 ? start + bytes : end;
    const from = stream * share;
    const to = stream < 3 ? from + share : size;
    if (streamEnd > end || to < from || to > size) throw new ZstdError("literals do not fit their block");
    decodeHuffmanStream(table, input, start, streamEnd, literalBuffer, from, to);
    start = streamEnd;
  }
}
