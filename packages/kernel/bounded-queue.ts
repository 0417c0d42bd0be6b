/** A first-in first-out queue that says no when it is full. */
export interface BoundedQueue<T> {
  readonly length: number;
  readonly capacity: number;
  /** False when the queue is full; the item is then not taken. */
  offer(item: T): boolean;
  /** Up to `maxItems` items, oldest first. */
  take(maxItems: number): T[];
  peek(): T | undefined;
}

export function createBoundedQueue<T>(capacity: number): BoundedQueue<T> {
  // Items before `head` are gone; the array is compacted when they outnumber the rest, so that taking is O(1).
  let items: T[] = [];
  let head = 0;
  return {
    capacity,
    get length() {
      return items.length - head;
    },
    offer(item) {
      if (items.length - head >= capacity) return false;
      items.push(item);
      return true;
    },
    take(maxItems) {
      const taken = items.slice(head, head + Math.max(0, maxItems));
      head += taken.length;
      if (head * 2 > items.length) {
        items = items.slice(head);
        head = 0;
      }
      return taken;
    },
    peek: () => items[head],
  };
}
