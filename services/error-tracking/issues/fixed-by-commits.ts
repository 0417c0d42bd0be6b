const verb = /\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?)\b:?/gi;
const shortId = /(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s+)#?([a-z0-9][a-z0-9_-]{0,63})-(\d{1,15})\b/iy;

/**
 * Numbers of the project's issues that a commit message says to fix: `fixes SHOP-17`, `Closes: SHOP-1, SHOP-2 and SHOP-3`.
 * Ids of other projects and of other trackers say nothing here.
 */
export function fixedBy(message: string, slug: string): number[] {
  const numbers = new Set<number>();
  for (const { index, 0: said } of message.matchAll(verb)) {
    shortId.lastIndex = index + said.length;
    for (let named = shortId.exec(message); named !== null; named = shortId.exec(message))
      if (named[1]?.toLowerCase() === slug.toLowerCase()) numbers.add(Number(named[2]));
  }
  return [...numbers];
}
