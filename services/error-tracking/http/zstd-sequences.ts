import {
  BackwardBits,
  buildFseTable,
  type FseTable,
  readFseTable,
  singleSymbolTable,
  ZstdError,
} from "./zstd-entropy.js";
import type { Frame } from "./zstd-frame.js";
import type { Window } from "./zstd-window.js";

// The second part of a compressed block: how literals and earlier data become its content (RFC 8878, section 3.1.1.3.2).

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
export function readSequences(
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
