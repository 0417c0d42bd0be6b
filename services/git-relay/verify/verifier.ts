import { hasRightSignature, type SignatureParts } from "@signalbox/nostr";

/** Checks signatures. */
export interface Verifier {
  /** Whether the signature is right. Rejects only when the verifier is closed or broken. */
  verify(parts: SignatureParts): Promise<boolean>;
  /** Ends the workers; checks under way reject. */
  close(): Promise<void>;
}

/** Checks on the calling thread: for few events, as in tests. */
export function createInlineVerifier(): Verifier {
  return {
    verify: async (parts) => hasRightSignature(parts),
    close: async () => {},
  };
}
