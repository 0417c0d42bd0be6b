/** A running XXH64 checksum. 64-bit numbers are pairs of 32-bit halves: BigInt would be forty times slower. */
export interface Xxh64 {
  update(bytes: Uint8Array): void;
  /** The lower 32 bits of the checksum of everything so far. */
  low32(): number;
}

type Lanes = Int32Array;

/** The five primes of the algorithm, high and low half. */
const prime1 = [0x9e3779b1, 0x85ebca87] as const;
const prime2 = [0xc2b2ae3d, 0x27d4eb4f] as const;
const prime3 = [0x165667b1, 0x9e3779f9] as const;
const prime4 = [0x85ebca77, 0xc2b2ae63] as const;
const prime5 = [0x27d4eb2f, 0x165667c5] as const;

const stripeBytes = 32;

export function xxh64(): Xxh64 {
  // Four accumulators, each high half then low half.
  const lanes: Lanes = new Int32Array(8);
  const word = new Int32Array(2);
  set(lanes, 0, prime1);
  add(lanes, 0, prime2[0], prime2[1]);
  set(lanes, 2, prime2);
  set(lanes, 6, [0, 0]);
  add(lanes, 6, ~prime1[0], ~prime1[1]);
  add(lanes, 6, 0, 1);
  const pending = new Uint8Array(stripeBytes);
  let pendingBytes = 0;
  let totalBytes = 0;

  const stripe = (bytes: Uint8Array, at: number): void => {
    for (let lane = 0; lane < 4; lane++) {
      load(word, bytes, at + lane * 8);
      multiply(word, 0, prime2[0], prime2[1]);
      add(lanes, lane * 2, word[0] ?? 0, word[1] ?? 0);
      rotate(lanes, lane * 2, 31);
      multiply(lanes, lane * 2, prime1[0], prime1[1]);
    }
  };

  return {
    update(bytes) {
      totalBytes += bytes.length;
      let at = 0;
      if (pendingBytes > 0) {
        const taken = Math.min(stripeBytes - pendingBytes, bytes.length);
        pending.set(bytes.subarray(0, taken), pendingBytes);
        pendingBytes += taken;
        at = taken;
        if (pendingBytes < stripeBytes) return;
        stripe(pending, 0);
        pendingBytes = 0;
      }
      for (; at + stripeBytes <= bytes.length; at += stripeBytes) stripe(bytes, at);
      pending.set(bytes.subarray(at));
      pendingBytes = bytes.length - at;
    },
    low32: () => finish(lanes, totalBytes, pending.subarray(0, pendingBytes)),
  };
}

function finish(lanes: Lanes, totalBytes: number, rest: Uint8Array): number {
  const hash = new Int32Array(2);
  const word = new Int32Array(2);
  if (totalBytes >= stripeBytes) {
    for (const [lane, bits] of [1, 7, 12, 18].entries()) {
      word.set(lanes.subarray(lane * 2, lane * 2 + 2));
      rotate(word, 0, bits);
      add(hash, 0, word[0] ?? 0, word[1] ?? 0);
    }
    for (let lane = 0; lane < 4; lane++) {
      word.set(lanes.subarray(lane * 2, lane * 2 + 2));
      round(word);
      mix(hash, word);
      multiply(hash, 0, prime1[0], prime1[1]);
      add(hash, 0, prime4[0], prime4[1]);
    }
  } else {
    set(hash, 0, prime5);
  }
  add(hash, 0, Math.floor(totalBytes / 2 ** 32) | 0, totalBytes | 0);

  let at = 0;
  for (; at + 8 <= rest.length; at += 8) {
    load(word, rest, at);
    round(word);
    mix(hash, word);
    rotate(hash, 0, 27);
    multiply(hash, 0, prime1[0], prime1[1]);
    add(hash, 0, prime4[0], prime4[1]);
  }
  if (at + 4 <= rest.length) {
    load(word, rest, at);
    word[0] = 0;
    multiply(word, 0, prime1[0], prime1[1]);
    mix(hash, word);
    rotate(hash, 0, 23);
    multiply(hash, 0, prime2[0], prime2[1]);
    add(hash, 0, prime3[0], prime3[1]);
    at += 4;
  }
  for (; at < rest.length; at++) {
    set(word, 0, [0, rest[at] ?? 0]);
    multiply(word, 0, prime5[0], prime5[1]);
    mix(hash, word);
    rotate(hash, 0, 11);
    multiply(hash, 0, prime1[0], prime1[1]);
  }

  shiftMix(hash, 33);
  multiply(hash, 0, prime2[0], prime2[1]);
  shiftMix(hash, 29);
  multiply(hash, 0, prime3[0], prime3[1]);
  shiftMix(hash, 32);
  return (hash[1] ?? 0) >>> 0;
}

function round(word: Lanes): void {
  multiply(word, 0, prime2[0], prime2[1]);
  rotate(word, 0, 31);
  multiply(word, 0, prime1[0], prime1[1]);
}

function set(target: Lanes, at: number, value: readonly [number, number]): void {
  target[at] = value[0];
  target[at + 1] = value[1];
}

/** Eight bytes, least significant first; missing ones count as zero. */
function load(target: Lanes, bytes: Uint8Array, at: number): void {
  target[1] =
    (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
  target[0] =
    (bytes[at + 4] ?? 0) | ((bytes[at + 5] ?? 0) << 8) | ((bytes[at + 6] ?? 0) << 16) | ((bytes[at + 7] ?? 0) << 24);
}

function add(target: Lanes, at: number, high: number, low: number): void {
  const before = (target[at + 1] ?? 0) >>> 0;
  const sum = (before + (low >>> 0)) >>> 0;
  target[at + 1] = sum;
  target[at] = ((target[at] ?? 0) + high + (sum < before ? 1 : 0)) | 0;
}

function multiply(target: Lanes, at: number, high: number, low: number): void {
  const ownHigh = target[at] ?? 0;
  const ownLow = target[at + 1] ?? 0;
  const a = ownLow & 0xffff;
  const b = ownLow >>> 16;
  const c = low & 0xffff;
  const d = low >>> 16;
  const ac = Math.imul(a, c) >>> 0;
  const bc = Math.imul(b, c) >>> 0;
  const ad = Math.imul(a, d) >>> 0;
  const middle = (ac >>> 16) + (bc & 0xffff) + (ad & 0xffff);
  const carry = (Math.imul(b, d) >>> 0) + (bc >>> 16) + (ad >>> 16) + (middle >>> 16);
  target[at + 1] = (ac & 0xffff) | (middle << 16);
  target[at] = (carry + Math.imul(ownHigh, low) + Math.imul(ownLow, high)) | 0;
}

/** Rotates left by 1 to 31 bits. */
function rotate(target: Lanes, at: number, bits: number): void {
  const high = target[at] ?? 0;
  const low = target[at + 1] ?? 0;
  target[at] = (high << bits) | (low >>> (32 - bits));
  target[at + 1] = (low << bits) | (high >>> (32 - bits));
}

function mix(target: Lanes, other: Lanes): void {
  target[0] = (target[0] ?? 0) ^ (other[0] ?? 0);
  target[1] = (target[1] ?? 0) ^ (other[1] ?? 0);
}

/** `hash ^= hash >>> bits` for 29 to 33 bits. */
function shiftMix(hash: Lanes, bits: number): void {
  const high = hash[0] ?? 0;
  const low = hash[1] ?? 0;
  const shiftedLow = bits >= 32 ? high >>> (bits - 32) : (low >>> bits) | (high << (32 - bits));
  const shiftedHigh = bits >= 32 ? 0 : high >>> bits;
  hash[0] = high ^ shiftedHigh;
  hash[1] = low ^ shiftedLow;
}
