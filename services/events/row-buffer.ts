export type LogTable = "event_dispatches" | "event_attempts";

/** A row of either table as it is written, with what it is looked up by. */
export interface LogRow {
  readonly table: LogTable;
  readonly eventId: string;
  readonly causationId: string | null;
  readonly json: string;
}

/** Rows that wait to be written. Bounded: the oldest go first, since the latest are asked for. */
export class RowBuffer {
  readonly #maxRows: number;
  // Rows before `head` are gone; the array is cut when they outnumber the rest.
  #rows: LogRow[] = [];
  #head = 0;
  #batch: readonly LogRow[] = [];

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  /** Rows that are not in a batch. */
  get waiting(): number {
    return this.#rows.length - this.#head;
  }

  /** False when the oldest waiting row had to go for it. */
  add(row: LogRow): boolean {
    const full = this.waiting + this.#batch.length >= this.#maxRows;
    if (full) this.#forget(1);
    this.#rows.push(row);
    return !full;
  }

  /** The oldest rows; they stay readable until the next call, with which they count as settled. */
  take(maxRows: number): readonly LogRow[] {
    this.#batch = this.#rows.slice(this.#head, this.#head + maxRows);
    this.#forget(this.#batch.length);
    return this.#batch;
  }

  /** The batch is written, or given up. */
  settle(): void {
    this.#batch = [];
  }

  *all(): Generator<LogRow> {
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
