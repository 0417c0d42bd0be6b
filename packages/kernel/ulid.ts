// Browsers run this file too: nothing of Node's own in here.

/** Crockford's base 32, as the ULID specification orders it. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const letterCodes = [...alphabet].map((letter) => letter.charCodeAt(0));

/** Largest time a ULID can carry: 48 bits of milliseconds. */
const maxTimeMs = 2 ** 48 - 1;

const ulidPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

export function isUlid(text: string): boolean {
  return ulidPattern.test(text);
}

/** Milliseconds since the Unix epoch that an upper-case ULID carries. */
export function ulidTimeMs(ulid: string): number {
  let timeMs = 0;
  for (let index = 0; index < 10; index++) timeMs = timeMs * 32 + alphabet.indexOf(ulid.charAt(index));
  return timeMs;
}

/** A ULID greater than every one made before by this factory, also when the clock stands still or goes back. */
export type UlidFactory = () => string;

export function createUlidFactory(nowMs: () => number): UlidFactory {
  // 80 random bits kept as 16 base-32 digits: counting up within a millisecond is then an increment with carry.
  const digits = new Uint8Array(16);
  // The codes of all letters, those of the time first. Adding letter to letter would leave a chain of strings.
  const letters: number[] = Array.from({ length: 26 }, () => 0);
  const randomness = new Uint8Array(16 * 256);
  let randomnessUsed = randomness.length;
  let lastMs = -1;

  const put = (index: number, digit: number): void => {
    digits[index] = digit;
    letters[10 + index] = letterCodes[digit] ?? 0;
  };

  const draw = (): void => {
    if (randomnessUsed === randomness.length) {
      crypto.getRandomValues(randomness);
      randomnessUsed = 0;
    }
    // A clear top bit leaves at least 2^79 increments before the digits overflow.
    for (let index = 0; index < 16; index++) put(index, (randomness[randomnessUsed++] ?? 0) & (index === 0 ? 15 : 31));
  };

  const increment = (): void => {
    let index = 15;
    for (; digits[index] === 31; index--) put(index, 0);
    put(index, (digits[index] ?? 0) + 1);
  };

  return () => {
    const currentMs = Math.min(Math.max(0, Math.floor(nowMs())), maxTimeMs);
    if (currentMs > lastMs) {
      lastMs = currentMs;
      for (let index = 9, rest = currentMs; index >= 0; index--) {
        letters[index] = letterCodes[rest % 32] ?? 0;
        rest = Math.floor(rest / 32);
      }
      draw();
    } else {
      increment();
    }
    return String.fromCharCode.apply(null, letters);
  };
}

/** A monotonic ULID of this process. */
export const ulid: UlidFactory = /* @__PURE__ */ createUlidFactory(() => Date.now());

/** The ULID of a 128-bit number given as 32 hex digits. */
export function ulidFromHex(hex: string): string {
  let rest = BigInt(`0x${hex}`);
  let text = "";
  for (let index = 0; index < 26; index++) {
    text = alphabet.charAt(Number(rest & 31n)) + text;
    rest >>= 5n;
  }
  return text;
}
