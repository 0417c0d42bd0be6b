import type { TimelineEntry } from "./timeline-source.js";

/**
 * By time; at the same time causes come before what they caused, then by kind of story: a journey before its parts. The
 * result does not depend on the order of what is given.
 */
export function orderEntries(entries: readonly TimelineEntry[]): TimelineEntry[] {
  const depths = depthsOf(entries);
  return entries.toSorted(
    (left, right) =>
      left.atMs - right.atMs ||
      (depths.get(left.id) ?? 0) - (depths.get(right.id) ?? 0) ||
      rank[left.kind] - rank[right.kind] ||
      (left.id < right.id ? -1 : 1),
  );
}

const rank = { journey: 0, checkpoint: 1, relay_event: 2, event: 3, attempt: 4, error: 5, alert: 6 } as const;

/** How many causes stand above each entry. What causes itself over a detour has as many as were met until then. */
function depthsOf(entries: readonly TimelineEntry[]): ReadonlyMap<string, number> {
  const causes = new Map(entries.map(({ id, causedBy }) => [id, causedBy]));
  const depths = new Map<string, number>();
  for (const { id } of entries) {
    const chain: string[] = [];
    const met = new Set<string>();
    for (let at: string | undefined = id; at !== undefined && causes.has(at); at = causes.get(at)) {
      if (met.has(at) || depths.has(at)) break;
      met.add(at);
      chain.push(at);
    }
    const last = chain.at(-1);
    const above = last === undefined ? undefined : causes.get(last);
    let depth = above === undefined ? -1 : (depths.get(above) ?? -1);
    for (const each of chain.reverse()) depths.set(each, ++depth);
  }
  return depths;
}
