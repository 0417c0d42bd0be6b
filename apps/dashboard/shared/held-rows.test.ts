import { expect, test } from "vitest";
import { placeRows } from "./held-rows.js";

interface Row {
  readonly id: string;
  readonly count: number;
}

const keyOf = ({ id }: Row): string => id;
const row = (id: string, count = 1): Row => ({ id, count });
const known = (...rows: readonly Row[]): ReadonlyMap<string, Row> => new Map(rows.map((one) => [one.id, one]));

test("rows stay where they are while their order changes, and show what is new of them", () => {
  const placed = placeRows([row("b", 9), row("a", 2)], keyOf, ["a", "b"], known(row("a"), row("b")));
  expect(placed).toEqual({ shown: [row("a", 2), row("b", 9)], waiting: 0 });
});

test("what comes in before them waits", () => {
  const placed = placeRows([row("new"), row("a"), row("b")], keyOf, ["a", "b"], known(row("a"), row("b")));
  expect(placed).toEqual({ shown: [row("a"), row("b")], waiting: 1 });
});

test("the next page is added below", () => {
  const placed = placeRows([row("a"), row("b"), row("c")], keyOf, ["a", "b"], known(row("a"), row("b")));
  expect(placed).toEqual({ shown: [row("a"), row("b"), row("c")], waiting: 0 });
});

test("what new rows have pushed off the page is kept, what is gone without them is not", () => {
  const before = known(row("a"), row("b"));
  expect(placeRows([row("new"), row("a")], keyOf, ["a", "b"], before).shown).toEqual([row("a"), row("b")]);
  expect(placeRows([row("a")], keyOf, ["a", "b"], before).shown).toEqual([row("a")]);
});

test("a page that is all new waits as a whole, and an empty one empties the list", () => {
  const before = known(row("a"));
  expect(placeRows([row("x"), row("y")], keyOf, ["a"], before)).toEqual({ shown: [row("a")], waiting: 2 });
  expect(placeRows([], keyOf, ["a"], before)).toEqual({ shown: [], waiting: 0 });
});
