import { expect, test } from "vitest";
import { createTurns } from "./turns.js";

/** Work that ends when it is told to. */
function openEnded() {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { end, work: () => ended };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("batches are worked on in the order of arrival, as many as there is room for", async () => {
  const turns = createTurns({ room: 10, maxWaiting: 100 });
  const begun: number[] = [];
  const items = [6, 3, 4, 1].map((weight, index) => {
    const item = openEnded();
    const done = turns.take(weight, () => {
      begun.push(index);
      return item.work();
    });
    return { ...item, done };
  });
  await settle();
  expect(begun).toEqual([0, 1]);
  items[0]?.end();
  await items[0]?.done;
  await settle();
  expect(begun).toEqual([0, 1, 2, 3]);
  for (const { end } of items) end();
  await Promise.all(items.map(({ done }) => done));
});

test("a batch that is heavier than all the room goes alone, and one that fails gives its room back", async () => {
  const turns = createTurns({ room: 10, maxWaiting: 100 });
  const begun: string[] = [];
  const heavy = turns.take(50, async () => {
    begun.push("heavy");
    throw new RangeError("too heavy");
  });
  const light = turns.take(1, async () => begun.push("light"));
  expect(begun).toEqual(["heavy"]);
  await expect(heavy).rejects.toThrow("too heavy");
  await light;
  expect(begun).toEqual(["heavy", "light"]);
});

test("XP-386 beyond what may wait, batches are refused, and taken again when some have gone", async () => {
  const turns = createTurns({ room: 10, maxWaiting: 20 });
  const first = openEnded();
  const done = [turns.take(10, first.work), turns.take(8, async () => {}), turns.take(8, async () => {})];
  await expect(turns.take(8, async () => {})).rejects.toMatchObject({ code: "backlog_full" });
  first.end();
  await Promise.all(done);
  await expect(turns.take(8, async () => "taken")).resolves.toBe("taken");
});

test("XP-386 what is light until its turn comes weighs little among what waits", async () => {
  const turns = createTurns({ room: 10, maxWaiting: 20 });
  const first = openEnded();
  const done = [turns.take(10, first.work), ...Array.from({ length: 20 }, () => turns.take(10, async () => {}, 1))];
  await expect(turns.take(10, async () => {}, 1)).rejects.toMatchObject({ code: "backlog_full" });
  first.end();
  await Promise.all(done);
});
