import { expect, test } from "vitest";
import { wholeNumber } from "./command.js";

test.each(["0x10", "1e1", " 5", "5 ", "+5", "5.0", "-1", "", "0", "11"])(
  "PF-042 %j is no number from 1 to 10",
  (text) => {
    expect(() => wholeNumber(1, 10)(text)).toThrow("Expected 1 to 10.");
  },
);

test("PF-042 decimal digits are", () => {
  expect(["1", "010", "7"].map(wholeNumber(1, 10))).toEqual([1, 10, 7]);
});
