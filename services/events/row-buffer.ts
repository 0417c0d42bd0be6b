import type { DispatchRecord, HandlingRecord } from "@signalbox/event-store";

/** One row of either table, in the order in which things happened. */
export type LogRecord =
  | { readonly kind: "dispatch"; readonly record: DispatchRecord }
  | { readonly kind: "attempt"; readonly record: HandlingRecord };

/** Rows that wait to be written. Bounded: the oldest go first, since the latest are asked for. */
export class RowBuffer {
  readonly #maxRows: number;
  // Rows before `head` are gone; the array is cut when they outnumber the rest.
  #rows: LogRecord[] = [];
  #head = 0;
  #batch: readonly LogRecord[] = [];

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  /** Rows that are not in a batch. */
  get waiting(): number {
    return this.#rows.length - this.#head;
  }

  /** False when the oldest waiting row had to go for it. */
  add(row: LogRecord): boolean {
    const full = this.waiting + this.#batch.length >= this.#maxRows;
    if (full) this.#forget(1);
    this.#rows.push(row);
    return !full;
  }

  /** The oldest rows; they stay readable until the next call, with which they count as settled. */
  take(maxRows: number): readonly LogRecord[] {
    this.#batch = this.#rows.slice(this.#head, this.#head + maxRows);
    this.#forget(this.#batch.length);
    return this.#batch;
  }

  /** The batch is written, or given up. */
  settle(): void {
    this.#batch = [];
  }

  *all(): Generator<LogRecord> {
    yield* this.#batch;
    for (let index = this.#head; index < this.#rows.length; index++) {
      const row = this.#rows[index];
      if (row) yield row;
    }
  }

  #forget(count: number): void {
    this.#head += count;
    if (this.#head * 2 <= this.#rows.length) return;
    this.#rows = this.#rows.slice(this.#head);
    this.#head = 0;
  }
}
