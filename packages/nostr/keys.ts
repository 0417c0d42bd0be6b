import { randomBytes } from "node:crypto";
import { bech32 } from "@scure/base";
import { isPrivate } from "tiny-secp256k1";
import { NostrError } from "./errors.js";
import { isHex32 } from "./hex.js";

/** 32 random bytes that are a secret key. */
export function newSecretKey(): Uint8Array {
  for (;;) {
    const key = new Uint8Array(randomBytes(32));
    if (isPrivate(key)) return key;
  }
}

/** A secret key from hex or `nsec1…`. @throws {NostrError} `NOSTR_BAD_KEY`, which does not hold the text. */
export function readSecretKey(text: string): Uint8Array {
  const hex = isHex32(text) ? text : decode("nsec", text);
  const key = hex === undefined ? undefined : new Uint8Array(Buffer.from(hex, "hex"));
  if (!key || !isPrivate(key)) throw new NostrError("NOSTR_BAD_KEY", { message: "This is no secret key" });
  return key;
}

/** A public key as hex from hex or `npub1…`. @throws {NostrError} `NOSTR_BAD_KEY` naming the text */
export function readPublicKey(text: string): string {
  const key = isHex32(text) ? text : decodeNpub(text);
  if (key === undefined) throw new NostrError("NOSTR_BAD_KEY", { message: `"${text.slice(0, 80)}" is no public key` });
  return key;
}

/** The public key, as hex, that an `npub1…` names; nothing when checksum, length or letter case is wrong. */
export function decodeNpub(text: string): string | undefined {
  return decode("npub", text);
}

/** @param publicKey 64 hex digits */
export function encodeNpub(publicKey: string): string {
  return bech32.encode("npub", bech32.toWords(Buffer.from(publicKey, "hex")));
}

export function encodeNsec(secretKey: Uint8Array): string {
  return bech32.encode("nsec", bech32.toWords(secretKey));
}

function decode(prefix: "npub" | "nsec", text: string): string | undefined {
  if (!text.startsWith(`${prefix}1`) || text !== text.toLowerCase()) return undefined;
  const decoded = bech32.decodeUnsafe(text);
  if (!decoded || decoded.prefix !== prefix) return undefined;
  const bytes = bech32.fromWordsUnsafe(decoded.words);
  return bytes && bytes.length === 32 ? Buffer.from(bytes).toString("hex") : undefined;
}
