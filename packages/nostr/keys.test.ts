import { nip19 } from "nostr-tools";
import { describe, expect, test } from "vitest";
import { decodeNpub, encodeNpub, encodeNsec, newSecretKey, readPublicKey, readSecretKey } from "./keys.js";
import { createSigner } from "./signature.js";

describe("keys as people write them", () => {
  const secret = newSecretKey();
  const { publicKey } = createSigner(secret);

  test("npub and nsec agree with another implementation", () => {
    expect(encodeNpub(publicKey)).toBe(nip19.npubEncode(publicKey));
    expect(encodeNsec(secret)).toBe(nip19.nsecEncode(secret));
    expect(decodeNpub(nip19.npubEncode(publicKey))).toBe(publicKey);
    expect(readPublicKey(encodeNpub(publicKey))).toBe(publicKey);
    expect(Buffer.from(readSecretKey(encodeNsec(secret)))).toEqual(Buffer.from(secret));
    expect(Buffer.from(readSecretKey(Buffer.from(secret).toString("hex")))).toEqual(Buffer.from(secret));
  });

  test("checksum, length, prefix and letter case have to be right", () => {
    const npub = encodeNpub(publicKey);
    const last = npub.endsWith("q") ? "p" : "q";
    const wrong = [npub.slice(0, -1) + last, npub.slice(0, -1), npub.toUpperCase(), `${npub}q`, "npub1", "", publicKey];
    for (const text of [...wrong, encodeNsec(secret), nip19.noteEncode(publicKey)])
      expect(decodeNpub(text)).toBeUndefined();
  });

  test("GR-006 a malformed key is refused without repeating it", () => {
    for (const text of ["hunter2", "0".repeat(64), "f".repeat(64), encodeNpub(publicKey), `${encodeNsec(secret)}x`]) {
      let error: unknown;
      try {
        readSecretKey(text);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ code: "NOSTR_BAD_KEY", message: "This is no secret key" });
    }
    expect(() => readPublicKey("npub1nobody")).toThrow(/"npub1nobody" is no public key/);
  });
});
