import { useEffect, useMemo, useRef, useState } from "react";

export interface HeldRows<Row> {
  readonly shown: readonly Row[];
  /** Rows that have come since and are not shown yet. */
  readonly waiting: number;
  readonly show: () => void;
}

interface Held {
  readonly view: string;
  readonly keys: readonly string[];
}

/**
 * Keeps a list in the order in which it was first shown, so that nothing moves under the reader's eyes while it changes:
 * rows are brought up to date where they stand, further pages are added below, and what has come in between waits until
 * it is asked for. `view` names what is listed; another view starts anew.
 */
export function useHeldRows<Row>(rows: readonly Row[], keyOf: (row: Row) => string, view: string): HeldRows<Row> {
  const [held, setHeld] = useState<Held>({ view, keys: [] });
  const known = useRef(new Map<string, Row>());
  const isFresh = held.view !== view || held.keys.length === 0;

  const placed = useMemo(() => {
    if (isFresh) return { shown: rows, waiting: 0 };
    return placeRows(rows, keyOf, held.keys, known.current);
  }, [rows, keyOf, held, isFresh]);

  const keys = placed.shown.map(keyOf).join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: their keys stand for the rows.
  useEffect(() => {
    known.current = new Map(placed.shown.map((row) => [keyOf(row), row]));
    setHeld({ view, keys: placed.shown.map(keyOf) });
  }, [keys, view]);

  return {
    ...placed,
    show() {
      known.current = new Map();
      setHeld({ view, keys: [] });
    },
  };
}

/** Exported for its test. `known` has rows that were shown before, by their keys. */
export function placeRows<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  held: readonly string[],
  known: ReadonlyMap<string, Row>,
): { readonly shown: readonly Row[]; readonly waiting: number } {
  const heldKeys = new Set(held);
  const now = new Map(rows.map((row) => [keyOf(row), row]));
  const lastHeld = rows.findLastIndex((row) => heldKeys.has(keyOf(row)));
  const waiting = rows.filter((row, index) => index < lastHeld && !heldKeys.has(keyOf(row))).length;
  // Nothing of what was shown is left on the page that was read: everything on it is new.
  if (lastHeld < 0)
    return rows.length === 0 ? { shown: [], waiting: 0 } : { shown: [...known.values()], waiting: rows.length };
  // What new rows have pushed off the page is still there; what is missing without them is gone.
  const kept = held.flatMap((key) => now.get(key) ?? (waiting > 0 ? (known.get(key) ?? []) : []));
  return { shown: [...kept, ...rows.slice(lastHeld + 1)], waiting };
}
