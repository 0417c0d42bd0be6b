import { expect, test } from "vitest";
import { inTransaction, withTransactionScope } from "./transaction-scope.js";

test("a transaction opened elsewhere can be marked, for as long as it runs", async () => {
  let late: () => boolean = () => true;
  const value = await withTransactionScope(async () => {
    await Promise.resolve();
    late = inTransaction;
    return inTransaction();
  });
  expect(value).toBe(true);
  expect(late()).toBe(false);
  expect(inTransaction()).toBe(false);
});

test("the mark goes when the work fails", async () => {
  const failing = withTransactionScope(async () => {
    throw new Error("on purpose");
  });
  await expect(failing).rejects.toThrow("on purpose");
  expect(inTransaction()).toBe(false);
});
