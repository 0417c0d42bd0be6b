import { expect, test } from "vitest";
import type { Frame } from "./event-payload.js";
import { linesOf } from "./lines-of-frames.js";

const own = (name: string): Frame => ({ function: name, in_app: true });
const library = (name: string): Frame => ({ function: name, in_app: false });
/** As SDKs send them: the outermost call first. */
const frames = [library("listen"), own("handle"), library("each"), library("map"), own("divide")];
const describe = (lines: ReturnType<typeof linesOf>) =>
  lines.map((line) => (line.kind === "frame" ? line.frame.function : line.count));

test("frames of libraries that follow one another are one line", () => {
  expect(describe(linesOf(frames, "newest", true, new Set()))).toEqual(["divide", 2, "handle", 1]);
  expect(describe(linesOf(frames, "oldest", true, new Set()))).toEqual([1, "handle", 2, "divide"]);
});

test("one such line can be opened", () => {
  expect(describe(linesOf(frames, "newest", true, new Set([3])))).toEqual(["divide", "map", "each", "handle", 1]);
});

test("all are shown when asked for, and when none is of the own code", () => {
  expect(describe(linesOf(frames, "oldest", false, new Set()))).toEqual(["listen", "handle", "each", "map", "divide"]);
  expect(describe(linesOf([library("a"), library("b")], "newest", true, new Set()))).toEqual(["b", "a"]);
});
