interface Happening {
  readonly kind: string;
  readonly at: string;
  /** State before; null for what is no change of state. */
  readonly from: string | null;
  readonly to: string | null;
}

export interface History {
  /** State at the end of the time. */
  readonly now: string;
  /** The newest first. */
  readonly happenings: readonly Happening[];
}

const connected = new Set(["syncing", "connected", "connected_with_failures"]);

/** How many relays were connected at the end of each part of a time, oldest part first. */
export function connectedOver(
  histories: readonly History[],
  fromMs: number,
  toMs: number,
  parts: number,
): readonly number[] {
  return Array.from({ length: parts }, (_, part) => {
    const atMs = fromMs + ((toMs - fromMs) * (part + 1)) / parts;
    return histories.filter((history) => connected.has(stateAt(history, atMs))).length;
  });
}

/** Walks back from now over the changes that came later. */
function stateAt({ now, happenings }: History, atMs: number): string {
  let state = now;
  for (const { kind, at, from } of happenings) {
    if (Date.parse(at) <= atMs) return state;
    if (kind === "transition" && from !== null) state = from;
  }
  return state;
}
