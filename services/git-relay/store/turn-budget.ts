/**
 * How much work all who share it do together in one turn of the event loop. SQLite answers at once, so whoever asks it
 * again and again leaves nobody else a turn, and several who each give way in between still take theirs in a row.
 */
export interface TurnBudget {
  /** Nothing when this turn has room for more; else resolves in a later turn that has, in the order of asking. */
  room(): Promise<void> | undefined;
  /** Says what was done, in rows of an index. */
  spend(rows: number): void;
}

/** After so much a turn has no room for another piece of work, which may be as much again. */
const rowsOfTurn = 500;
/** Who is woken counts as much at once, since some works only start in their turn. */
const rowsOfWaking = 8;

export function createTurnBudget(): TurnBudget {
  const waiting: (() => void)[] = [];
  let spent = 0;
  let isEnding = false;
  const nextTurn = (): void => {
    spent = 0;
    // Whoever comes in this turn waits behind those who wait already.
    isEnding = waiting.length > 0;
    if (!isEnding) return;
    setImmediate(nextTurn);
    wakeSome();
  };
  /** One after the other: what the work of one costs is known when it has got as far as it gets in this turn. */
  const wakeSome = (): void => {
    spent += rowsOfWaking;
    waiting.shift()?.();
    queueMicrotask(() =>
      process.nextTick(() => {
        if (spent < rowsOfTurn && waiting.length > 0) wakeSome();
      }),
    );
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
