import { expect, test } from "vitest";
import { readPastedId } from "./pasted-id.js";

test.each([
  ["01JP0EM7HB39WSJNR4662MYZ6V", { correlation: true, domainEvent: true, errorEvent: false, npub: false }],
  ["8f0b5b1c8f6b4e0f9d2f3d7a5b8c1e2f", { correlation: true, domainEvent: false, errorEvent: true, npub: false }],
  ["8f0b5b1c-8f6b-4e0f-9d2f-3d7a5b8c1e2f", { correlation: true, domainEvent: false, errorEvent: true, npub: false }],
  [
    "npub14sevlhjgmjyxthfs5ukzgjkyre749fpftytjgxe4zemllewum4xsc4e6ve",
    { correlation: false, domainEvent: false, errorEvent: false, npub: true },
  ],
  ["run_pipeline", { correlation: false, domainEvent: false, errorEvent: false, npub: false }],
])("%s", (text, expected) => {
  expect(readPastedId(text)).toEqual(expected);
});
