/** Items by due time, earliest first; equal times in the order of arrival. */
export class DueHeap<T> {
  readonly #nodes: { readonly dueAtMs: number; readonly order: number; readonly item: T }[] = [];
  #order = 0;

  nextDueMs(): number | undefined {
    return this.#nodes[0]?.dueAtMs;
  }

  push(dueAtMs: number, item: T): void {
    this.#nodes.push({ dueAtMs, order: this.#order++, item });
    let index = this.#nodes.length - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** The earliest item due at `nowMs`, or `undefined`. */
  takeDue(nowMs: number): T | undefined {
    const first = this.#nodes[0];
    if (!first || first.dueAtMs > nowMs) return undefined;
    const last = this.#nodes.pop();
    if (last && last !== first) {
      this.#nodes[0] = last;
      this.#sink();
    }
    return first.item;
  }

  #sink(): void {
    let index = 0;
    for (;;) {
      let smallest = index;
      for (const child of [index * 2 + 1, index * 2 + 2]) {
        if (child < this.#nodes.length && this.#isBefore(child, smallest)) smallest = child;
      }
      if (smallest === index) return;
      this.#swap(index, smallest);
      index = smallest;
    }
  }

  #isBefore(index: number, other: number): boolean {
    const left = this.#nodes[index];
    const right = this.#nodes[other];
    if (!left || !right) return false;
    return left.dueAtMs < right.dueAtMs || (left.dueAtMs === right.dueAtMs && left.order < right.order);
  }

  #swap(index: number, other: number): void {
    const left = this.#nodes[index];
    const right = this.#nodes[other];
    if (!left || !right) return;
    this.#nodes[index] = right;
    this.#nodes[other] = left;
  }
}
