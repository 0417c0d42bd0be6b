import { readFilter } from "@signalbox/nostr";
import { expect, test } from "vitest";
import { createSubscriptionRoom } from "./subscription-room.js";

/** Filters of one subscription, each with so many values. */
function filters(...values: number[]) {
  return values.map((count) => {
    const read = readFilter({ kinds: Array.from({ length: count }, (_, kind) => kind) });
    if (read.kind !== "filter") throw new Error(read.reason);
    return read.filter;
  });
}
const one = filters(1);
const many = (count: number) => filters(...Array.from({ length: count }, () => 1));

test("GR-035 subscriptions of one address have so much room, over all its connections; it is theirs again at their end", () => {
  const room = createSubscriptionRoom({ maxFilters: 1_000, maxFiltersPerAddress: 100 });
  const [first, second, elsewhere] = ["a", "a", "b"].map((address) => room.openConnection(address));
  const taken = first?.take(many(60));
  expect(taken).toMatchObject({ kind: "taken" });
  expect(second?.take(many(41))).toEqual({ kind: "full", whose: "address" });
  expect(second?.take(many(40))).toMatchObject({ kind: "taken" });
  expect(first?.take(one)).toEqual({ kind: "full", whose: "address" });
  expect(elsewhere?.take(many(100))).toMatchObject({ kind: "taken" });
  if (taken?.kind === "taken") taken.free();
  expect(first?.take(many(60))).toMatchObject({ kind: "taken" });
  expect(first?.take(one)).toEqual({ kind: "full", whose: "address" });
});

test("GR-035 a connection with few filters has room whatever its neighbours at the address have", () => {
  const room = createSubscriptionRoom({ maxFilters: 1_000, maxFiltersPerAddress: 100 });
  expect(room.openConnection("a").take(many(100))).toMatchObject({ kind: "taken" });
  const neighbour = room.openConnection("a");
  for (let index = 0; index < 20; index++) expect(neighbour.take(one)).toMatchObject({ kind: "taken" });
  expect(neighbour.take(one)).toEqual({ kind: "full", whose: "address" });
});

test("GR-035 all addresses together have so much room", () => {
  const room = createSubscriptionRoom({ maxFilters: 100, maxFiltersPerAddress: 0 });
  expect(room.openConnection("a").take(many(100))).toMatchObject({ kind: "taken" });
  expect(room.openConnection("b").take(one)).toEqual({ kind: "full", whose: "relay" });
});

test("GR-035 long lists need more room", () => {
  const room = createSubscriptionRoom({ maxFilters: 1_000, maxFiltersPerAddress: 100 });
  const connection = room.openConnection("a");
  expect(connection.take(filters(1_979))).toMatchObject({ kind: "taken" });
  expect(connection.take(filters(20))).toEqual({ kind: "full", whose: "address" });
  expect(connection.take(filters(19))).toMatchObject({ kind: "taken" });
});
