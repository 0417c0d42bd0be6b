import { signSchnorr, verifySchnorr, xOnlyPointFromScalar } from "tiny-secp256k1";
import type { EventTemplate, NostrEvent, VerifiedEvent } from "./event.js";
import { eventId, hasRightId } from "./event-id.js";

/** What a signature is checked with; all as lower-case hex. */
export type SignatureParts = Pick<NostrEvent, "id" | "pubkey" | "sig">;

/** Whether the signature (BIP-340) over the id is the author's. Takes about a quarter of a millisecond. */
export function hasRightSignature({ id, pubkey, sig }: SignatureParts): boolean {
  return isSignature(Buffer.from(id, "hex"), Buffer.from(pubkey, "hex"), Buffer.from(sig, "hex"));
}

/** The same over bytes: 32, 32 and 64 of them. */
export function isSignature(id: Uint8Array, pubkey: Uint8Array, sig: Uint8Array): boolean {
  try {
    return verifySchnorr(id, pubkey, sig);
  } catch {
    // Bytes that are no point of the curve, or numbers beyond its order, are refused by throwing.
    return false;
  }
}

/** The event, once its id and its signature were found right. */
export function verifyEvent(event: NostrEvent): VerifiedEvent | undefined {
  return hasRightId(event) && hasRightSignature(event) ? markVerified(event) : undefined;
}

/** For whoever checked `hasRightId` and `hasRightSignature` by other means, as in a worker thread. */
export function markVerified(event: NostrEvent): VerifiedEvent {
  // The mark exists in the types only.
  return event as VerifiedEvent;
}

/** Somebody who can sign. */
export interface Signer {
  /** 64 lower-case hex digits. */
  readonly publicKey: string;
  sign(template: EventTemplate): VerifiedEvent;
}

/**
 * @param secretKey 32 bytes, as `newSecretKey` or `readSecretKey` give them; kept by reference
 */
export function createSigner(secretKey: Uint8Array): Signer {
  const publicKey = Buffer.from(xOnlyPointFromScalar(secretKey)).toString("hex");
  return {
    publicKey,
    sign({ created_at, kind, tags, content }) {
      const unsigned = { pubkey: publicKey, created_at, kind, tags, content };
      const id = eventId(unsigned);
      const sig = Buffer.from(signSchnorr(Buffer.from(id, "hex"), secretKey)).toString("hex");
      return markVerified({ id, ...unsigned, sig });
    },
  };
}
