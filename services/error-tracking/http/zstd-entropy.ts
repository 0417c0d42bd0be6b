/**
 * The two entropy decoders of Zstandard (RFC 8878, sections 4.1 and 4.2): finite state tables and Huffman tables.
 * Everything here is fed by strangers: each table checks that it is consistent before it is used.
 */

/** What the decoder throws for data that is no Zstandard. */
export class ZstdError extends Error {
  override readonly name = "ZstdError";
}

export interface FseTable {
  readonly accuracyLog: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
  readonly baselines: Uint16Array;
}

export interface HuffmanTable {
  readonly maxBits: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
}

/** Reads bits from the end of `bytes` towards its start, as Zstandard writes its streams. */
export class BackwardBits {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  /** Bits not read yet; negative when more were asked for than there are (those read as zero). */
  remaining: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    const last = end > start ? (bytes[end - 1] ?? 0) : 0;
    if (last === 0) throw new ZstdError("a bit stream has no end mark");
    this.#bytes = bytes;
    this.#start = start;
    this.remaining = (end - start - 1) * 8 + highestBit(last);
  }

  /** The next `count` bits, at most 24. */
  read(count: number): number {
    this.remaining -= count;
    const at = this.remaining;
    if (at >= 0) {
      const bytes = this.#bytes;
      const index = this.#start + (at >> 3);
      // Bytes behind the stream belong to the following data; the mask cuts them off.
      const word =
        (bytes[index] ?? 0) |
        ((bytes[index + 1] ?? 0) << 8) |
        ((bytes[index + 2] ?? 0) << 16) |
        ((bytes[index + 3] ?? 0) << 24);
      return (word >>> (at & 7)) & ((1 << count) - 1);
    }
    return this.#readPastStart(count, at);
  }

  #readPastStart(count: number, at: number): number {
    const there = count + at;
    if (there <= 0) return 0;
    this.remaining = 0;
    const word =
      (this.#bytes[this.#start] ?? 0) |
      ((this.#bytes[this.#start + 1] ?? 0) << 8) |
      ((this.#bytes[this.#start + 2] ?? 0) << 16);
    this.remaining = at;
    return ((word & ((1 << there) - 1)) << -at) & ((1 << count) - 1);
  }
}

function highestBit(value: number): number {
  return 31 - Math.clz32(value);
}

/** Builds a decoding table from how often each symbol occurs; -1 stands for less than one. */
export function buildFseTable(counts: ArrayLike<number>, accuracyLog: number): FseTable {
  const size = 1 << accuracyLog;
  const symbols = new Uint8Array(size);
  const next = new Uint16Array(counts.length);
  let high = size;
  for (let symbol = 0; symbol < counts.length; symbol++) {
    const count = counts[symbol] ?? 0;
    if (count !== -1) continue;
    symbols[--high] = symbol;
    next[symbol] = 1;
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let position = 0;
  for (let symbol = 0; symbol < counts.length; symbol++) {
    const count = counts[symbol] ?? 0;
    if (count <= 0) continue;
    next[symbol] = count;
    for (let n = 0; n < count; n++) {
      symbols[position] = symbol;
      do position = (position + step) & (size - 1);
      while (position >= high);
    }
  }
  if (position !== 0) throw new ZstdError("a probability table does not add up");

  const bitCounts = new Uint8Array(size);
  const baselines = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] ?? 0;
    const following = next[symbol] ?? 0;
    next[symbol] = following + 1;
    const bits = accuracyLog - highestBit(following);
    bitCounts[state] = bits;
    baselines[state] = (following << bits) - size;
  }
  return { accuracyLog, symbols, bitCounts, baselines };
}

/** A table whose only state gives `symbol` without reading bits. */
export function singleSymbolTable(symbol: number): FseTable {
  return {
    accuracyLog: 0,
    symbols: Uint8Array.of(symbol),
    bitCounts: new Uint8Array(1),
    baselines: new Uint16Array(1),
  };
}

/** Reads a table description that begins at `start`; `end` is the first byte behind it. */
export function readFseTable(
  bytes: Uint8Array,
  start: number,
  limit: number,
  maxAccuracyLog: number,
  maxSymbol: number,
): { readonly table: FseTable; readonly end: number } {
  let bit = start * 8;
  const read = (count: number): number => {
    const index = bit >> 3;
    const word = (bytes[index] ?? 0) | ((bytes[index + 1] ?? 0) << 8) | ((bytes[index + 2] ?? 0) << 16);
    const value = (word >>> (bit & 7)) & ((1 << count) - 1);
    bit += count;
    return value;
  };
  const accuracyLog = read(4) + 5;
  if (accuracyLog > maxAccuracyLog) throw new ZstdError("a probability table is too fine");
  const counts: number[] = [];
  let remaining = 1 << accuracyLog;
  while (remaining > 0) {
    if (counts.length > maxSymbol || bit > limit * 8) throw new ZstdError("a probability table is too long");
    const width = highestBit(remaining + 1) + 1;
    const lowMask = (1 << (width - 1)) - 1;
    const threshold = (1 << width) - 1 - (remaining + 1);
    let value = read(width);
    if ((value & lowMask) < threshold) {
      bit--;
      value &= lowMask;
    } else if (value > lowMask) {
      value -= threshold;
    }
    const count = value - 1;
    remaining -= Math.abs(count);
    counts.push(count);
    if (count !== 0) continue;
    for (let repeats = 3; repeats === 3; ) {
      repeats = read(2);
      for (let n = 0; n < repeats; n++) counts.push(0);
      if (counts.length > maxSymbol + 1) throw new ZstdError("a probability table is too long");
    }
  }
  const end = (bit + 7) >> 3;
  if (remaining !== 0 || counts.length > maxSymbol + 1 || end > limit)
    throw new ZstdError("a probability table does not add up");
  return { table: buildFseTable(counts, accuracyLog), end };
}

const maxHuffmanBits = 11;

/** Reads a Huffman tree description that begins at `start`; `end` is the first byte behind it. */
export function readHuffmanTable(
  bytes: Uint8Array,
  start: number,
  limit: number,
): { readonly table: HuffmanTable; readonly end: number } {
  const header = bytes[start] ?? 0;
  const direct = header >= 128;
  const end = start + 1 + (direct ? (header - 126) >> 1 : header);
  if (end > limit) throw new ZstdError("a Huffman table is cut off");
  const weights = direct
    ? Array.from({ length: header - 127 }, (_, n) => {
        const pair = bytes[start + 1 + (n >> 1)] ?? 0;
        return n % 2 === 0 ? pair >> 4 : pair & 15;
      })
    : readCompressedWeights(bytes, start + 1, end);
  return { table: buildHuffmanTable(weights), end };
}

function readCompressedWeights(bytes: Uint8Array, start: number, end: number): number[] {
  const { table, end: tableEnd } = readFseTable(bytes, start, end, 6, maxHuffmanBits + 1);
  const bits = new BackwardBits(bytes, tableEnd, end);
  const weights: number[] = [];
  // Two states take turns; the stream ends when one of them asks for bits that are not there.
  let current = bits.read(table.accuracyLog);
  let other = bits.read(table.accuracyLog);
  if (bits.remaining < 0) throw new ZstdError("a Huffman table is cut off");
  for (;;) {
    weights.push(table.symbols[current] ?? 0);
    if (weights.length > 254) throw new ZstdError("a Huffman table is too long");
    const following = (table.baselines[current] ?? 0) + bits.read(table.bitCounts[current] ?? 0);
    if (bits.remaining < 0) {
      weights.push(table.symbols[other] ?? 0);
      return weights;
    }
    current = other;
    other = following;
  }
}

function buildHuffmanTable(weights: number[]): HuffmanTable {
  let sum = 0;
  for (const weight of weights) {
    if (weight > maxHuffmanBits) throw new ZstdError("a Huffman code is too long");
    if (weight > 0) sum += 1 << (weight - 1);
  }
  if (sum === 0) throw new ZstdError("a Huffman table is empty");
  const maxBits = highestBit(sum) + 1;
  if (maxBits > maxHuffmanBits) throw new ZstdError("a Huffman code is too long");
  const size = 1 << maxBits;
  // The last weight is not sent: it is what completes the sum to a power of two.
  const rest = size - sum;
  if ((rest & (rest - 1)) !== 0) throw new ZstdError("a Huffman table does not add up");
  weights.push(highestBit(rest) + 1);

  const symbols = new Uint8Array(size);
  const bitCounts = new Uint8Array(size);
  let position = 0;
  for (let weight = 1; weight <= maxBits; weight++) {
    const span = 1 << (weight - 1);
    for (let symbol = 0; symbol < weights.length; symbol++) {
      if (weights[symbol] !== weight) continue;
      symbols.fill(symbol, position, position + span);
      bitCounts.fill(maxBits + 1 - weight, position, position + span);
      position += span;
    }
  }
  return { maxBits, symbols, bitCounts };
}

/** Decodes one Huffman stream into `target` from `from` to `to`; both ends must be met exactly. */
export function decodeHuffmanStream(
  table: HuffmanTable,
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  from: number,
  to: number,
): void {
  const { maxBits, symbols, bitCounts } = table;
  const mask = (1 << maxBits) - 1;
  const bits = new BackwardBits(bytes, start, end);
  let state = bits.read(maxBits);
  for (let at = from; at < to; at++) {
    target[at] = symbols[state] ?? 0;
    const count = bitCounts[state] ?? 0;
    state = ((state << count) | bits.read(count)) & mask;
    // More symbols than the stream holds: stop before reading zeros for ever.
    if (bits.remaining < -maxBits) throw new ZstdError("a Huffman stream is cut off");
  }
  if (bits.remaining !== -maxBits) throw new ZstdError("a Huffman stream has the wrong length");
}
