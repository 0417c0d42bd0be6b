import { expect, test } from "vitest";
import { createInboxes, type Inbox } from "./inboxes.js";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Inboxes of which each message takes a millisecond, and what they have handed over. */
function setUp() {
  let nowMs = 0;
  const handed: string[] = [];
  const inboxes = createInboxes({ monotonicMs: () => nowMs });
  const open = (then: (message: string) => void = () => {}): Inbox =>
    inboxes.open((message) => {
      nowMs++;
      handed.push(message);
      then(message);
    });
  const fill = (inbox: Inbox, name: string, count: number): void => {
    for (let index = 0; index < count; index++) inbox.add(`${name}${index}`);
  };
  const untilHanded = async (count: number): Promise<void> => {
    while (handed.length < count) await turn();
  };
  return { handed, open, fill, untilHanded };
}

test("of many messages that come at once a few are worked on in each turn of the event loop", async () => {
  const { handed, open, fill } = setUp();
  fill(open(), "a", 100);
  fill(open(), "b", 100);
  expect(handed).toHaveLength(4);
  for (let turns = 1; handed.length < 200; turns++) {
    await turn();
    // This turn may be before or after that of the inboxes.
    expect(handed.length).toBeLessThanOrEqual(4 * (turns + 1));
  }
});

test("connections take turns, and the messages of each keep their order", async () => {
  const { handed, open, fill, untilHanded } = setUp();
  const flood = open();
  fill(flood, "f", 50);
  const sent = handed.length;
  fill(open(), "a", 3);
  fill(open(), "b", 3);
  await untilHanded(56);
  // Each round brings one message of each.
  for (const name of ["a", "b"]) expect(handed.indexOf(`${name}2`)).toBeLessThan(sent + 9);
  for (const name of ["f", "a", "b"]) {
    const own = handed.filter((message) => message.startsWith(name));
    expect(own).toEqual(own.map((_, index) => `${name}${index}`));
  }
});

test("a message is handed over at once when nobody waits", () => {
  const { handed, open } = setUp();
  open().add("one");
  open().add("two");
  expect(handed).toEqual(["one", "two"]);
});

test("while a connection is held its messages wait, and others do not notice", async () => {
  const { handed, open, fill, untilHanded } = setUp();
  const held = open((message) => message === "h1" && held.hold());
  fill(held, "h", 10);
  expect(handed).toEqual(["h0", "h1"]);
  fill(open(), "o", 10);
  await untilHanded(12);
  expect(handed.filter((message) => message.startsWith("h"))).toHaveLength(2);
  expect(held.waiting).toBe(8);
  held.release();
  await untilHanded(20);
  expect(held.waiting).toBe(0);
  expect(handed.slice(12)).toEqual(["h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9"]);
});
