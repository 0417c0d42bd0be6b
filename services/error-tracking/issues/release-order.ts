/** A release as far as its place among others goes. */
export interface OrderedRelease {
  readonly version: string;
  readonly createdAtMs: number;
}

interface Semver {
  readonly numbers: readonly bigint[];
  readonly prerelease: readonly string[];
  readonly build: readonly string[];
}

const semver =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;

/**
 * Negative when `a` came before `b`, positive when after, 0 when neither. Two semantic versions go by precedence, then
 * by build with its numeric parts as numbers, then by when they became known; all others by when they became known.
 * What stands before `@` (the package) and a leading `v` do not count.
 */
export function compareReleases(a: OrderedRelease, b: OrderedRelease): number {
  if (a.version === b.version) return 0;
  const [first, second] = [parse(a.version), parse(b.version)];
  const byVersion = first && second ? compareSemver(first, second) : 0;
  return byVersion || Math.sign(a.createdAtMs - b.createdAtMs);
}

/** The newest of some releases; undefined when there is none. */
export function newestRelease(releases: readonly OrderedRelease[]): OrderedRelease | undefined {
  const byAge = [...releases].sort((a, b) => a.createdAtMs - b.createdAtMs);
  return byAge.reduce<OrderedRelease | undefined>(
    (newest, release) => (newest === undefined || compareReleases(release, newest) >= 0 ? release : newest),
    undefined,
  );
}

function parse(version: string): Semver | undefined {
  const bare = version.slice(version.lastIndexOf("@") + 1).replace(/^v(?=\d)/i, "");
  const match = semver.exec(bare);
  if (!match) return undefined;
  const [, major = "0", minor = "0", patch = "0", prerelease, build] = match;
  return {
    numbers: [BigInt(major), BigInt(minor), BigInt(patch)],
    prerelease: prerelease?.split(".") ?? [],
    build: build?.split(".") ?? [],
  };
}

function compareSemver(a: Semver, b: Semver): number {
  for (const [index, number] of a.numbers.entries()) {
    const other = b.numbers[index] ?? 0n;
    if (number !== other) return number < other ? -1 : 1;
  }
  // A version without such a part is the finished one.
  if (a.prerelease.length === 0 || b.prerelease.length === 0) {
    const byPresence = b.prerelease.length - a.prerelease.length;
    if (byPresence !== 0) return Math.sign(byPresence);
  }
  return compareParts(a.prerelease, b.prerelease) || compareParts(a.build, b.build);
}

function compareParts(a: readonly string[], b: readonly string[]): number {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    const order = comparePart(part, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function comparePart(a: string, b: string): number {
  const [isNumber, otherIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumber && otherIsNumber) {
    const [number, other] = [BigInt(a), BigInt(b)];
    return number === other ? 0 : number < other ? -1 : 1;
  }
  if (isNumber !== otherIsNumber) return isNumber ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}
