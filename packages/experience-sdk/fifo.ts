/** First in, first out, for items that may also leave from the middle: those are marked and passed over. */
export interface Fifo<T> {
  push(item: T): void;
  /** The oldest that has not left. */
  peek(): T | undefined;
  /** Takes the oldest that has not left. */
  shift(): T | undefined;
  /** Tells that `count` items left from the middle. */
  left(count: number): void;
}

export function createFifo<T>(hasLeft: (item: T) => boolean): Fifo<T> {
  let items: T[] = [];
  let head = 0;
  let departed = 0;

  const skip = (): void => {
    for (let item = items[head]; item !== undefined && hasLeft(item); item = items[head]) {
      head++;
      departed--;
    }
  };

  /** Without this, what left from the middle would stay in memory for as long as nothing is taken from the front. */
  const compact = (): void => {
    const dead = head + departed;
    if (dead < 1_024 || dead * 2 < items.length) return;
    items = items.filter((item, index) => index >= head && !hasLeft(item));
    head = 0;
    departed = 0;
  };

  return {
    push(item) {
      items.push(item);
    },
    peek() {
      skip();
      return items[head];
    },
    shift() {
      skip();
      const item = items[head];
      if (item !== undefined) head++;
      compact();
      return item;
    },
    left(count) {
      departed += count;
      compact();
    },
  };
}
