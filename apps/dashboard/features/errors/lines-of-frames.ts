import type { Frame } from "./event-payload.js";

export type Order = "newest" | "oldest";

export type Line =
  | { readonly kind: "frame"; readonly frame: Frame; readonly place: number }
  | { readonly kind: "hidden"; readonly count: number; readonly place: number };

/** Frames of libraries that follow one another are one line, unless all are asked for or opened. */
export function linesOf(
  frames: readonly Frame[],
  order: Order,
  inAppOnly: boolean,
  opened: ReadonlySet<number>,
): readonly Line[] {
  const placed = frames.map((frame, place) => ({ frame, place }));
  const ordered = order === "newest" ? placed.reverse() : placed;
  const hasOwn = frames.some(({ in_app: own }) => own === true);
  if (!inAppOnly || !hasOwn) return ordered.map(({ frame, place }) => ({ kind: "frame", frame, place }));
  const lines: Line[] = [];
  for (let index = 0; index < ordered.length; index++) {
    const entry = ordered[index];
    if (entry === undefined) break;
    if (entry.frame.in_app === true) {
      lines.push({ kind: "frame", ...entry });
      continue;
    }
    let end = index;
    while (end < ordered.length && ordered[end]?.frame.in_app !== true) end++;
    if (opened.has(entry.place))
      for (const hidden of ordered.slice(index, end)) lines.push({ kind: "frame", ...hidden });
    else lines.push({ kind: "hidden", count: end - index, place: entry.place });
    index = end - 1;
  }
  return lines;
}
