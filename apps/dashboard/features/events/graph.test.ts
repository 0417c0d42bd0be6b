import { expect, test } from "vitest";
import { layOut, nodeHeight, reachedFrom, readGraph, readLeadsTo } from "./graph.js";

const answer = {
  events: [
    {
      type: "ci.done",
      context: "ci",
      description: "",
      subscribers: [
        { subscriber: "mail.tell", context: "mail", condition: null },
        { subscriber: "search.index", context: "search", condition: "(event) => true" },
      ],
    },
    { type: "ci.begun", context: "ci", description: "", subscribers: [] },
  ],
};

test("every event and subscriber has a place of its own, below the heading of its context", () => {
  const { nodes, edges, height } = layOut(readGraph(answer));
  const boxes = nodes.filter(({ kind }) => kind !== "context");
  expect(boxes.map(({ id }) => id)).toEqual([
    "event ci.done",
    "event ci.begun",
    "subscriber mail.tell",
    "subscriber search.index",
  ]);
  expect(new Set(boxes.map(({ x, y }) => `${x} ${y}`)).size).toBe(boxes.length);
  expect(Math.max(...boxes.map(({ y }) => y + nodeHeight))).toBeLessThanOrEqual(height);
  expect(edges).toEqual([
    { from: "event ci.done", to: "subscriber mail.tell", conditional: false },
    { from: "event ci.done", to: "subscriber search.index", conditional: true },
  ]);
});

test("an event reaches its subscribers, a subscriber is reached by its events", () => {
  const events = readGraph(answer);
  expect([...reachedFrom(events, "event ci.done")].sort()).toEqual([
    "event ci.done",
    "subscriber mail.tell",
    "subscriber search.index",
  ]);
  expect([...reachedFrom(events, "subscriber mail.tell")]).toEqual(["subscriber mail.tell", "event ci.done"]);
});

test("an event reaches also what is published while it is handled, and who listens to that, even in a circle", () => {
  const events = readGraph(answer);
  const leadsTo = readLeadsTo([
    { type: "ci.done", publishers: [{ handling: "ci.begun" }, { handling: null }, { handling: "ci.begun" }] },
    { type: "ci.begun", publishers: [{ handling: "ci.done" }] },
    { type: "ci.unknown", publishers: null },
  ]);
  expect([...leadsTo]).toEqual([
    ["ci.begun", ["ci.done"]],
    ["ci.done", ["ci.begun"]],
  ]);
  expect([...reachedFrom(events, "event ci.begun", leadsTo)].sort()).toEqual([
    "event ci.begun",
    "event ci.done",
    "subscriber mail.tell",
    "subscriber search.index",
  ]);
});

test("an answer of another form is an empty graph", () => {
  expect(readGraph("graph TD")).toEqual([]);
  expect(layOut([]).nodes).toEqual([]);
});
