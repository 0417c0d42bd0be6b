import { expect, test } from "vitest";
import { fixedBy } from "./fixed-by-commits.js";

test.each([
  ["Count again, fixes SHOP-17", [17]],
  ["Fixes: shop-17", [17]],
  ["fixed SHOP-1, SHOP-2 and SHOP-3; see SHOP-4", [1, 2, 3]],
  ["Resolves #SHOP-5\n\ncloses SHOP-5, and SHOP-6", [5, 6]],
  ["fixes OTHER-1, SHOP-2", [2]],
  ["prefixes SHOP-17", []],
  ["fixes SHOP-17a, fixes WORKSHOP-17, fixes SHOP17, SHOP-17", []],
  ["fixes SHOP-1234567890123456", []],
  ["", []],
])("ET-248 what a commit message says to fix: %j", (message, numbers) => {
  expect(fixedBy(message, "shop")).toEqual(numbers);
});

test("ET-248 a slug may hold hyphens", () => {
  expect(fixedBy("fixes WEB-SHOP-2-17, SHOP-2", "web-shop-2")).toEqual([17]);
});
