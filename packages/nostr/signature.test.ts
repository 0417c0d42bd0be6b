import { finalizeEvent, verifyEvent as verifyElsewhere } from "nostr-tools";
import { describe, expect, test } from "vitest";
import type { NostrEvent } from "./event.js";
import { eventId } from "./event-id.js";
import { newSecretKey } from "./keys.js";
import { createSigner, hasRightSignature, verifyEvent } from "./signature.js";
import { signEvent, testSigner } from "./testing.js";

const alice = testSigner("alice");

describe("GR-024 signatures", () => {
  test("GR-024 what we sign, another implementation verifies, and the other way round", () => {
    const key = newSecretKey();
    const ours = createSigner(key).sign({ created_at: 1, kind: 1, tags: [["t", "x"]], content: "ours" });
    expect(verifyElsewhere({ ...ours, tags: [["t", "x"]] })).toBe(true);
    const { id, pubkey, created_at, kind, tags, content, sig } = finalizeEvent(
      { created_at: 2, kind: 30_617, tags: [["d", "x"]], content: "theirs" },
      key,
    );
    const theirs = { id, pubkey, created_at, kind, tags, content, sig };
    expect(verifyEvent(theirs)).toBe(theirs);
  });

  test("GR-024 one changed bit anywhere is found", () => {
    const event = signEvent(alice, { content: "hello" });
    const flip = (hex: string, place: number): string =>
      hex.slice(0, place) + (Number.parseInt(hex.charAt(place), 16) ^ 1).toString(16) + hex.slice(place + 1);
    expect(verifyEvent(event)).toBe(event);
    for (let place = 0; place < 128; place += 3) {
      const forged = { ...event, sig: flip(event.sig, place) };
      expect(verifyEvent(forged)).toBeUndefined();
    }
    const wrongIds: Partial<NostrEvent>[] = [
      { content: "hellp" },
      { kind: 2 },
      { created_at: event.created_at + 1 },
      { tags: [["t"]] },
      { pubkey: testSigner("bob").publicKey },
    ];
    for (const change of wrongIds) {
      const changed: NostrEvent = { ...event, ...change };
      expect(verifyEvent(changed)).toBeUndefined();
      // With the id made right again it is the signature that is wrong.
      expect(verifyEvent({ ...changed, id: eventId(changed) })).toBeUndefined();
    }
  });

  test("GR-024 bytes that are no key or no signature are wrong, and throw nothing", () => {
    const event = signEvent(alice);
    expect(hasRightSignature({ ...event, pubkey: "0".repeat(64) })).toBe(false);
    expect(hasRightSignature({ ...event, pubkey: "f".repeat(64) })).toBe(false);
    expect(hasRightSignature({ ...event, sig: "0".repeat(128) })).toBe(false);
    expect(hasRightSignature({ ...event, sig: "f".repeat(128) })).toBe(false);
  });
});
