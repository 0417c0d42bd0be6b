import { expect, test } from "vitest";
import { completions } from "./complete-query.js";

test("keys are offered by how they begin, values behind their key", () => {
  expect(completions("use", [])).toEqual(["users:", "user.email:", "user.id:"]);
  expect(completions("is:re", [])).toEqual(["is:resolved", "is:regressed"]);
});

test("what stands before is kept, and a negation, too", () => {
  expect(completions("timeout !level:f", [])).toEqual(["timeout !level:fatal"]);
});

test("releases are those of the project", () => {
  expect(completions("release:shop@1", ["shop@1.4.1", "other@2"])).toEqual(["release:shop@1.4.1"]);
});

test("a finished term offers nothing", () => {
  expect(completions("is:resolved", [])).toEqual([]);
  expect(completions("is:resolved ", [])).toEqual([]);
});
