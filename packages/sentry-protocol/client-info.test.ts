import { expect, test } from "vitest";
import { parseClientInfo } from "./index.js";

test.each([
  ["sentry.javascript.node/10.78.0", { name: "sentry.javascript.node", version: "10.78.0" }],
  ["raven-python/6.10.0 (Linux) more/1", { name: "raven-python", version: "6.10.0" }],
  ["curl", { name: "curl", version: undefined }],
  ["@sentry/react-native/5.1", { name: "@sentry/react-native", version: "5.1" }],
  [`${"n".repeat(100)}/${"1".repeat(100)}`, { name: "n".repeat(64), version: "1".repeat(32) }],
  ["näme\n/1", { name: "nme", version: "1" }],
])("ET-023 %s", (text, expected) => {
  expect(parseClientInfo(text)).toEqual(expected);
});

test("ET-023 nothing readable is no client", () => {
  for (const text of [undefined, "", " ", "\u0000", "ü"]) expect(parseClientInfo(text)).toBeUndefined();
});
