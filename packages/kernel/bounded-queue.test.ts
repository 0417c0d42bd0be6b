import fc from "fast-check";
import { expect, test } from "vitest";
import { createBoundedQueue } from "./bounded-queue.js";

test("a full queue takes nothing more until something is taken out", () => {
  const queue = createBoundedQueue<string>(2);
  expect([queue.offer("a"), queue.offer("b"), queue.offer("c")]).toEqual([true, true, false]);
  expect(queue.take(1)).toEqual(["a"]);
  expect(queue.offer("d")).toBe(true);
  expect(queue.take(9)).toEqual(["b", "d"]);
  expect(queue.take(9)).toEqual([]);
});

test("the queue behaves like a list that is cut at its capacity", () => {
  const step = fc.oneof(fc.record({ offer: fc.nat() }), fc.record({ take: fc.integer({ min: -1, max: 5 }) }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 200 }), (capacity, steps) => {
      const queue = createBoundedQueue<number>(capacity);
      const model: number[] = [];
      for (const act of steps) {
        if ("offer" in act) {
          expect(queue.offer(act.offer)).toBe(model.length < capacity);
          if (model.length < capacity) model.push(act.offer);
        } else expect(queue.take(act.take)).toEqual(model.splice(0, Math.max(0, act.take)));
        expect(queue.length).toBe(model.length);
        expect(queue.peek()).toBe(model[0]);
      }
    }),
  );
});
