import { expect, test } from "vitest";
import { createTurnBudget } from "./turn-budget.js";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("GR-064 many who work piece by piece have one piece each turn between them, in the order of asking", async () => {
  const budget = createTurnBudget();
  const done: string[] = [];
  // Who waits for an immediate of the same turn may come before or after it.
  let turns = 0;
  const work = async (name: string): Promise<void> => {
    for (let piece = 0; piece < 3; piece++) {
      await budget.room();
      done.push(name);
      budget.spend(800);
    }
  };
  const all = Promise.all(["one", "two", "three"].map(work));
  for (; done.length < 9; turns++) await turn();
  await all;
  expect(done).toEqual(Array(3).fill(["one", "two", "three"]).flat());
  expect(turns).toBeGreaterThanOrEqual(7);
});

test("GR-064 small pieces of work do not wait for a turn of their own until they add up", async () => {
  const budget = createTurnBudget();
  for (let piece = 0; piece < 10; piece++) {
    expect(budget.room()).toBeUndefined();
    budget.spend(50);
  }
  const waiting = budget.room();
  expect(waiting).toBeInstanceOf(Promise);
  await waiting;
  await turn();
  await turn();
  expect(budget.room()).toBeUndefined();
});

test("GR-064 many small pieces that wait share their turns, in the order of asking", async () => {
  const budget = createTurnBudget();
  budget.spend(500);
  const done: number[] = [];
  const work = async (piece: number): Promise<void> => {
    await budget.room();
    done.push(piece);
    budget.spend(8);
  };
  const all = Promise.all(Array.from({ length: 100 }, (_, piece) => work(piece)));
  let turns = 0;
  for (; done.length < 100; turns++) await turn();
  await all;
  expect(done).toEqual([...done].sort((one, other) => one - other));
  expect(turns).toBeGreaterThan(2);
  expect(turns).toBeLessThan(20);
});
