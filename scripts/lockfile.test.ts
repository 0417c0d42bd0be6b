import { expect, test } from "vitest";
import { findMissingPackages } from "./lockfile.mjs";

const linter = { optionalDependencies: { "@linter/linux": "1.0.0", "@linter/darwin": "1.0.0" } };

test("a lockfile with all optional packages is complete, wherever they stand", () => {
  const packages = {
    "": {},
    "node_modules/linter": linter,
    "node_modules/@linter/linux": {},
    "node_modules/linter/node_modules/@linter/darwin": {},
  };
  expect(findMissingPackages({ packages })).toEqual([]);
});

test("names optional packages without an entry", () => {
  const packages = { "": {}, "packages/a/node_modules/linter": linter, "node_modules/@linter/linux": {} };
  expect(findMissingPackages({ packages })).toEqual(["@linter/darwin@1.0.0"]);
});
