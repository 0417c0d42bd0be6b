import { expect, test } from "vitest";
import { relayErrors } from "./errors.js";

test("GR-477 every code of the relay is in its catalogue, says what to do, and whether trying again helps", () => {
  const entries = Object.entries(relayErrors.entries);
  expect(entries.map(([code]) => code)).toEqual(
    expect.arrayContaining([
      "RELAY_BAD_KEY",
      "RELAY_BAD_DOMAIN",
      "RELAY_BAD_PROFILE",
      "RELAY_BAD_ENTRY",
      "RELAY_STORE_FAILED",
      "RELAY_PEER_UNREACHABLE",
      "RELAY_TARGET_NOT_ALLOWED",
      "RELAY_DATA_LOCKED",
      "RELAY_TOO_LARGE",
      "relay_event_unknown",
      "relay_repository_unknown",
      "relay_peer_unknown",
    ]),
  );
  for (const [code, { message, remedy }] of entries)
    expect([code, message, remedy]).toEqual([code, expect.stringMatching(/\w/), expect.stringMatching(/\w/)]);
  const retryable = entries.filter(([, entry]) => "retryable" in entry && entry.retryable);
  expect(retryable.map(([code]) => code)).toEqual(["RELAY_STORE_FAILED", "RELAY_PEER_UNREACHABLE"]);
});
