import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyEvent } from "../testing/any-event.js";
import { defaultOptions, storedEvent } from "../testing/prepare.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { explainHash, prepareEvent } from "./prepare-event.js";

const hash = /^[0-9a-f]{32}$/;

const textOf = (line: Uint8Array) => Buffer.from(line).toString("utf8");

describe("prepareEvent", () => {
  test("ET-130 ET-190 whatever JSON object a client sends is grouped, named and made into a row, the same each time", () => {
    fc.assert(
      fc.property(anyEvent, (payload) => {
        const message = receivedEvent(payload);
        const digested = prepareEvent(message, defaultOptions);
        expect(digested.hashes.length).toBeGreaterThanOrEqual(1);
        expect(digested.hashes.length).toBeLessThanOrEqual(8);
        for (const one of digested.hashes) {
          expect(one.hash).toMatch(hash);
          JSON.parse(explainHash(message, defaultOptions, one.hash));
        }
        for (const { hash: hex, explanation } of prepareEvent(message, defaultOptions, () => true).hashes)
          expect(explanation).toBe(explainHash(message, defaultOptions, hex));
        expect(digested.title.title).not.toBe("");
        JSON.parse(textOf(digested.lines.event));
        const text = JSON.stringify(digested);
        expect(JSON.stringify(prepareEvent(message, defaultOptions))).toBe(text);
        expect(JSON.stringify(structuredClone(digested))).toBe(text);
      }),
      { numRuns: 80 },
    );
  }, 120_000);

  test("users are told apart by the first of id, name, mail address and network address", () => {
    const hashOf = (user: Record<string, string>) =>
      prepareEvent(receivedEvent(errorPayload("a", { user })), defaultOptions).userHash;
    expect(hashOf({ id: "1", email: "a@example.com" })).toBe(hashOf({ id: "1", email: "b@example.com" }));
    expect(hashOf({ id: "1" })).not.toBe(hashOf({ id: "2" }));
    expect(hashOf({ id: "1" })).not.toBe(hashOf({ username: "1" }));
    expect(hashOf({ email: "a@example.com" })).toBe(hashOf({ email: "a@example.com", ip_address: "203.0.113.7" }));
    expect(hashOf({ ip_address: "203.0.113.7" })).toMatch(/^\d+$/);
    expect(hashOf({})).toBeUndefined();
  });

  test("ET-137 a project that keeps no addresses does not take the connection's", () => {
    const message = receivedEvent(errorPayload("a", { platform: "javascript" }));
    const fromBrowser = { ...message, data: { ...message.data, client_address: "203.0.113.7" } };
    const stored = (storeAddresses: boolean) =>
      storedEvent(prepareEvent(fromBrowser, { ...defaultOptions, storeAddresses }));
    expect(stored(true)).toMatchObject({ user: { ip_address: "203.0.113.7" } });
    expect(stored(false)).not.toHaveProperty("user.ip_address");
  });

  test("two payloads of one id have different digests", () => {
    const digest = (name: string) =>
      prepareEvent(receivedEvent(errorPayload(name), { eventId: "0".repeat(31).concat("1") }), defaultOptions)
        .bodyDigest;
    expect(digest("a")).toBe(digest("a"));
    expect(digest("a")).not.toBe(digest("b"));
  });
});
