import { type Xxh64, xxh64 } from "./xxh64.js";
import {
  BackwardBits,
  buildFseTable,
  decodeHuffmanStream,
  type FseTable,
  type HuffmanTable,
  readFseTable,
  readHuffmanTable,
  singleSymbolTable,
  ZstdError,
} from "./zstd-entropy.js";

/**
 * A decoder for Zstandard (RFC 8878) that strangers may feed: it gives out data block by block (at most 128 KiB), so
 * that the reader can stop at any limit; it reserves memory only as data comes; frames that ask for a larger window
 * than allowed are refused; checksums and announced lengths are verified. Dictionaries are not supported.
 *
 * Written here because nothing else fits: zlib of Node 20 has no Zstandard, bindings need a download or a compiler,
 * and the decoders in plain JavaScript check neither distances nor checksums and move their whole window for every
 * block, however small it is.
 */
export interface ZstdDecoder {
  /** Decodes what `chunk` completes. The pieces are copies. @throws {ZstdError} */
  push(chunk: Uint8Array): Generator<Uint8Array, void, undefined>;
  /** To be called after the last chunk. @throws {ZstdError} when a frame is not complete */
  end(): void;
}

export interface ZstdLimits {
  /** RFC 9659 asks senders of HTTP bodies to stay within 8 MiB. */
  readonly maxWindowBytes: number;
}

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const maxBlockBytes = 128 * 1024;
/** How much is decoded behind a full window before the window is moved to the front again. */
const slackBytes = 1024 * 1024;

interface Frame {
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

type Step =
  | { readonly kind: "frame" }
  | { readonly kind: "skip"; bytes: number }
  | { readonly kind: "block"; readonly frame: Frame }
  | { readonly kind: "body"; readonly frame: Frame; readonly block: BlockHeader }
  | { readonly kind: "checksum"; readonly frame: Frame };

interface BlockHeader {
  readonly last: boolean;
  readonly type: number;
  readonly size: number;
  /** Bytes that follow the header in the input. */
  readonly inputBytes: number;
}

export function createZstdDecoder(limits: ZstdLimits): ZstdDecoder {
  const carry = createCarry();
  let input: Uint8Array = new Uint8Array(0);
  let at = 0;
  let step: Step = { kind: "frame" };
  const output = createWindow();

  const available = (): number => input.length - at;

  /** The next step, or undefined when more input is needed first. */
  function advance(): { readonly next: Step; readonly data?: Uint8Array } | undefined {
    switch (step.kind) {
      case "frame": {
        const start = readFrameStart(input, at, limits);
        if (!start) return undefined;
        at = start.end;
        if (start.frame === undefined) return { next: { kind: "skip", bytes: start.skipBytes } };
        output.reset(start.frame.windowBytes);
        return { next: { kind: "block", frame: start.frame } };
      }
      case "skip": {
        const bytes = Math.min(step.bytes, available());
        at += bytes;
        if (bytes < step.bytes) {
          step.bytes -= bytes;
          return undefined;
        }
        return { next: { kind: "frame" } };
      }
      case "block": {
        if (available() < 3) return undefined;
        const block = readBlockHeader(input, at, step.frame.blockLimit);
        at += 3;
        return { next: { kind: "body", frame: step.frame, block } };
      }
      case "body": {
        const { frame, block } = step;
        if (available() < block.inputBytes) return undefined;
        const data = decodeBlock(frame, block, input, at, output);
        at += block.inputBytes;
        frame.producedBytes += data.length;
        frame.checksum?.update(data);
        if (!block.last) return { next: { kind: "block", frame }, data };
        if (frame.contentBytes !== undefined && frame.contentBytes !== frame.producedBytes)
          throw new ZstdError("a frame has another length than it announced");
        if (frame.checksum) return { next: { kind: "checksum", frame }, data };
        return { next: { kind: "frame" }, data };
      }
      case "checksum": {
        if (available() < 4) return undefined;
        if (readUint32(input, at) !== step.frame.checksum?.low32()) throw new ZstdError("a checksum does not match");
        at += 4;
        return { next: { kind: "frame" } };
      }
    }
  }

  return {
    *push(chunk) {
      input = carry.join(chunk);
      at = 0;
      for (let result = advance(); result; result = advance()) {
        step = result.next;
        if (result.data && result.data.length > 0) yield result.data;
      }
      carry.keep(input, at);
    },
    end() {
      if (step.kind !== "frame" || available() > 0) throw new ZstdError("the data ends within a frame");
    },
  };
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  );
}

/** Input that no step could use yet. Grows by doubling: many tiny chunks must not cost a copy of everything each. */
function createCarry() {
  let buffer = new Uint8Array(1024);
  let length = 0;
  return {
    /** What was kept and `chunk` behind it, as one piece that is valid until the next call. */
    join(chunk: Uint8Array): Uint8Array {
      if (length === 0) return chunk;
      if (length + chunk.length > buffer.length) {
        const grown = new Uint8Array(2 * (length + chunk.length));
        grown.set(buffer.subarray(0, length));
        buffer = grown;
      }
      buffer.set(chunk, length);
      length += chunk.length;
      return buffer.subarray(0, length);
    },
    /** Keeps `input` from `at` on, where `input` is what `join` gave. */
    keep(input: Uint8Array, at: number): void {
      const rest = input.length - at;
      if (length > 0) {
        if (at > 0) buffer.copyWithin(0, at, input.length);
      } else {
        if (rest > buffer.length) buffer = new Uint8Array(2 * rest);
        buffer.set(input.subarray(at));
      }
      length = rest;
    },
  };
}

type FrameStart =
  | { readonly end: number; readonly frame: Frame }
  | { readonly end: number; readonly frame?: undefined; readonly skipBytes: number };

function readFrameStart(input: Uint8Array, at: number, limits: ZstdLimits): FrameStart | undefined {
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

const rawBlock = 0;
const repeatedBlock = 1;
const compressedBlock = 2;

function readBlockHeader(input: Uint8Array, at: number, limit: number): BlockHeader {
  const header = readUint32(input, at) & 0xffffff;
  const type = (header >> 1) & 3;
  const size = header >> 3;
  if (type === 3 || size > limit) throw new ZstdError("a block header is invalid");
  return { last: (header & 1) !== 0, type, size, inputBytes: type === repeatedBlock ? 1 : size };
}

/** What was decoded last, as far as later data may refer back to it, and room for the next block. */
interface Window {
  buffer: Uint8Array;
  /** End of the decoded data. */
  end: number;
  /** How many bytes before `end` may be referred to. */
  history: number;
  reset(windowBytes: number): void;
  /** Makes room for a block of up to `blockBytes` behind `end`. */
  reserve(blockBytes: number): void;
}

function createWindow(): Window {
  let windowBytes = 0;
  const window: Window = {
    buffer: new Uint8Array(0),
    end: 0,
    history: 0,
    reset(bytes) {
      windowBytes = bytes;
      window.end = 0;
      window.history = 0;
    },
    reserve(blockBytes) {
      window.history = Math.min(window.history, windowBytes);
      if (window.end + blockBytes <= window.buffer.length) return;
      const largest = windowBytes + slackBytes;
      if (window.buffer.length < largest) {
        const grown = new Uint8Array(Math.min(largest, Math.max(2 * blockBytes, 2 * window.buffer.length)));
        grown.set(window.buffer.subarray(window.end - window.history, window.end));
        window.buffer = grown;
      } else {
        window.buffer.copyWithin(0, window.end - window.history, window.end);
      }
      window.end = window.history;
    },
  };
  return window;
}

function decodeBlock(frame: Frame, block: BlockHeader, input: Uint8Array, at: number, output: Window): Uint8Array {
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

const literalLengthBits = [
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];
const matchLengthBits = [
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3,
  3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];
const literalLengthBases = basesOf(literalLengthBits, 0);
const matchLengthBases = basesOf(matchLengthBits, 3);
const maxDistanceCode = 27;

const defaultLiteralLengths = buildFseTable(
  [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
  6,
);
const defaultMatchLengths = buildFseTable(
  [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
  ],
  6,
);
const defaultDistances = buildFseTable(
  [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
  5,
);

function basesOf(bits: readonly number[], first: number): readonly number[] {
  let base = first;
  return bits.map((count) => {
    const current = base;
    base += 2 ** count;
    return current;
  });
}

/** Joins literals and matches into the window; returns how many bytes that made. */
function readSequences(
  frame: Frame,
  input: Uint8Array,
  start: number,
  end: number,
  literals: Uint8Array,
  output: Window,
): number {
  if (start >= end) throw new ZstdError("a block ends before its sequences");
  let at = start;
  const first = input[at++] ?? 0;
  let count = first;
  if (first === 255) {
    count = (input[at] ?? 0) + ((input[at + 1] ?? 0) << 8) + 0x7f00;
    at += 2;
  } else if (first >= 128) {
    count = ((first - 128) << 8) + (input[at++] ?? 0);
  }
  const target = output.buffer;
  if (count === 0) {
    if (at !== end) throw new ZstdError("a block is longer than its content");
    target.set(literals, output.end);
    return literals.length;
  }

  const modes = input[at++] ?? 0;
  if ((modes & 3) !== 0) throw new ZstdError("a block uses a reserved bit");
  const table = (
    mode: number,
    standard: FseTable,
    previous: FseTable | undefined,
    maxAccuracyLog: number,
    maxSymbol: number,
  ): FseTable => {
    if (mode === 0) return standard;
    if (mode === 3) {
      if (!previous) throw new ZstdError("a block refers to a table that was not sent");
      return previous;
    }
    if (mode === 2) {
      const read = readFseTable(input, at, end, maxAccuracyLog, maxSymbol);
      at = read.end;
      return read.table;
    }
    const symbol = input[at++] ?? 0;
    if (symbol > maxSymbol) throw new ZstdError("a code is out of range");
    return singleSymbolTable(symbol);
  };
  const lengths = table(modes >> 6, defaultLiteralLengths, frame.literalLengths, 9, literalLengthBits.length - 1);
  const distances = table((modes >> 4) & 3, defaultDistances, frame.distances, 8, 31);
  const matches = table((modes >> 2) & 3, defaultMatchLengths, frame.matchLengths, 9, matchLengthBits.length - 1);
  frame.literalLengths = lengths;
  frame.distances = distances;
  frame.matchLengths = matches;
  if (at > end) throw new ZstdError("a block ends before its sequences");

  const bits = new BackwardBits(input, at, end);
  const { offsets } = frame;
  let lengthState = bits.read(lengths.accuracyLog);
  let distanceState = bits.read(distances.accuracyLog);
  let matchState = bits.read(matches.accuracyLog);
  let literalAt = 0;
  let write = output.end;
  const writeLimit = output.end + frame.blockLimit;
  const historyStart = output.end - output.history;

  for (let sequence = 0; sequence < count; sequence++) {
    const distanceCode = distances.symbols[distanceState] ?? 0;
    if (distanceCode > maxDistanceCode) throw new ZstdError("a match is too far back");
    const lengthCode = lengths.symbols[lengthState] ?? 0;
    const matchCode = matches.symbols[matchState] ?? 0;
    const highBits = distanceCode > 16 ? bits.read(distanceCode - 16) * 65536 : 0;
    const distanceValue = 2 ** distanceCode + highBits + bits.read(Math.min(distanceCode, 16));
    const matchLength = (matchLengthBases[matchCode] ?? 0) + bits.read(matchLengthBits[matchCode] ?? 0);
    const literalLength = (literalLengthBases[lengthCode] ?? 0) + bits.read(literalLengthBits[lengthCode] ?? 0);
    if (sequence < count - 1) {
      lengthState = (lengths.baselines[lengthState] ?? 0) + bits.read(lengths.bitCounts[lengthState] ?? 0);
      matchState = (matches.baselines[matchState] ?? 0) + bits.read(matches.bitCounts[matchState] ?? 0);
      distanceState = (distances.baselines[distanceState] ?? 0) + bits.read(distances.bitCounts[distanceState] ?? 0);
    }
    if (bits.remaining < 0) throw new ZstdError("a block ends within its sequences");
    const distance = resolveDistance(offsets, distanceValue, literalLength === 0);

    const literalEnd = literalAt + literalLength;
    if (literalEnd > literals.length || write + literalLength + matchLength > writeLimit)
      throw new ZstdError("a block makes more data than allowed");
    for (; literalAt < literalEnd; literalAt++) target[write++] = literals[literalAt] ?? 0;
    let from = write - distance;
    if (from < historyStart || distance > output.history + write - output.end)
      throw new ZstdError("a match is too far back");
    // Byte by byte on purpose: a match may overlap what it writes.
    for (const matchEnd = write + matchLength; write < matchEnd; ) target[write++] = target[from++] ?? 0;
  }
  if (bits.remaining !== 0) throw new ZstdError("a block is longer than its content");
  const rest = literals.length - literalAt;
  if (write + rest > writeLimit) throw new ZstdError("a block makes more data than allowed");
  target.set(literals.subarray(literalAt), write);
  return write + rest - output.end;
}

/** The distance that a value stands for: a new one, or one of the last three. */
function resolveDistance(offsets: [number, number, number], value: number, noLiterals: boolean): number {
  if (value > 3) {
    offsets[2] = offsets[1];
    offsets[1] = offsets[0];
    offsets[0] = value - 3;
    return offsets[0];
  }
  const index = value - 1 + (noLiterals ? 1 : 0);
  if (index === 0) return offsets[0];
  const distance = index === 1 ? offsets[1] : index === 2 ? offsets[2] : offsets[0] - 1;
  if (distance <= 0) throw new ZstdError("a match has no distance");
  if (index > 1) offsets[2] = offsets[1];
  offsets[1] = offsets[0];
  offsets[0] = distance;
  return distance;
}
