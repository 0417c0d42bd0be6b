import { expect, test } from "vitest";
import { cataloguesOf, describeErrors } from "./describe-errors.mjs";

const storage = {
  section: "Storage",
  entries: {
    DB_LOCKED: { message: "Another writer | holds the lock.", retryable: true, status: 503 },
    DB_BROKEN: { message: "The file is damaged.", remedy: "Restore a backup." },
  },
};

test("lists codes in order, section by section, in cells that keep their shape", () => {
  expect(describeErrors([storage])).toContain(
    [
      "## Storage",
      "",
      "| code | meaning | HTTP | retry | what to do |",
      "| --- | --- | --- | --- | --- |",
      "| `DB_BROKEN` | The file is damaged. | – | no | Restore a backup. |",
      "| `DB_LOCKED` | Another writer \\| holds the lock. | 503 | yes | – |",
    ].join("\n"),
  );
});

test("refuses a code that two catalogues claim", () => {
  const other = { section: "Other", entries: { DB_LOCKED: { message: "Something else." } } };
  expect(() => describeErrors([storage, other])).toThrow("DB_LOCKED stands in two catalogues: Storage and Other");
});

test("finds catalogues among the exports of a module", () => {
  expect(cataloguesOf({ storage, open: () => {}, version: "1", nothing: null })).toEqual([storage]);
});
