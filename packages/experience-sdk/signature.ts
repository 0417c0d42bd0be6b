import type { CarriedExperience } from "./activity.js";

/** Proof that an entry was written by someone who knows a secret. */
export interface Signature {
  readonly keyId: string;
  /** HMAC-SHA256 in base64url. */
  readonly value: string;
}

/** HMAC-SHA256 as this place has it. */
export interface Signing {
  /** In base64url. */
  sign(secret: string, text: string): string;
  /** Compares in constant time. */
  isSigned(secret: string, text: string, signature: string): boolean;
}

export interface Signer {
  /** Absent without keys. */
  sign(entry: CarriedExperience): Signature | undefined;
  /** Whether an entry may be believed. */
  accepts(entry: CarriedExperience, signature: Signature | undefined): boolean;
}

/** @param keys key id → secret; the first one signs, all are accepted */
export function createSigner(
  { sign, isSigned }: Signing,
  keys: Readonly<Record<string, string>> | undefined,
  required: boolean,
): Signer {
  const secrets = new Map(Object.entries(keys ?? {}));
  const [first] = secrets;
  return {
    sign(entry) {
      if (!first) return undefined;
      const [keyId, secret] = first;
      return { keyId, value: sign(secret, signedText(entry)) };
    },
    accepts(entry, signature) {
      if (!required) return true;
      const secret = signature && secrets.get(signature.keyId);
      return secret !== undefined && isSigned(secret, signedText(entry), signature?.value ?? "");
    },
  };
}

function signedText({ id, correlationId, run, startedAtMs }: CarriedExperience): string {
  return `${id}|${correlationId}|${run}|${startedAtMs}`;
}
