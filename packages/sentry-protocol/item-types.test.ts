import { expect, test } from "vitest";
import { isItemType, itemCategory, itemTypes } from "./index.js";

test("ET-050 each item type belongs to one category", () => {
  expect(Object.fromEntries(itemTypes.map((type) => [type, itemCategory(type)]))).toMatchObject({
    event: "error",
    attachment: "attachment",
    feedback: "feedback",
    user_report: "feedback",
    session: "session",
    sessions: "session",
    check_in: "monitor",
    client_report: null,
    transaction: "transaction",
    raw_security: "security",
    replay_video: "replay",
  });
});

test("ET-038 unknown types, also names of object members, belong to none", () => {
  for (const type of ["made_up", "", "constructor", "__proto__", "toString"]) {
    expect(isItemType(type)).toBe(false);
    expect(itemCategory(type)).toBe("default");
  }
});
