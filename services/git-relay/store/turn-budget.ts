/**
 * How much work all who share it do together in one turn of the event loop. SQLite answers at once, so whoever asks it
 * again and again leaves nobody else a turn, and several who each give way in between still take theirs in a row.
 */
export interface TurnBudget {
  /** Nothing when this turn has room for more; else resolves in a turn of one's own, in the order of asking. */
  room(): Promise<void> | undefined;
  /** Says what was done, in rows of an index. */
  spend(rows: number): void;
}

/** After so much a turn has no room for another piece of work, which may be as much again. */
const rowsOfTurn = 500;

export function createTurnBudget(): TurnBudget {
  const waiting: (() => void)[] = [];
  let spent = 0;
  let isEnding = false;
  const nextTurn = (): void => {
    spent = 0;
    const next = waiting.shift();
    next?.();
    // Whoever comes in this turn waits behind those who wait already.
    isEnding = next !== undefined;
    if (isEnding) setImmediate(nextTurn);
  };
  const endTurn = (): void => {
    if (isEnding) return;
    isEnding = true;
    setImmediate(nextTurn);
  };
  return {
    room() {
      if (spent < rowsOfTurn && waiting.length === 0) return undefined;
      endTurn();
      return new Promise((resolve) => waiting.push(resolve));
    },
    spend(rows) {
      spent += rows;
      endTurn();
    },
  };
}
