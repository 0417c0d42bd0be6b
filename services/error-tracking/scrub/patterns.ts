import { isIP } from "node:net";
import type { ScrubKind } from "./scrub-settings.js";

export interface Pattern {
  readonly kind: ScrubKind;
  /** Global; every repetition is bounded or starts at a place where no other one can, so the time stays linear. */
  readonly find: RegExp;
  /** Of what is found, whether it is what it looks like. Default: always. */
  readonly verify?: (found: string) => boolean;
  /** Part of the match that stays in front of the replacement. */
  readonly keep?: (found: string) => string;
}

const patterns: Readonly<Record<ScrubKind, Pattern>> = {
  privatekey: {
    kind: "privatekey",
    find: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[A-Za-z0-9+/=\s\\:,-]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g,
  },
  auth: {
    kind: "auth",
    find: /(?<=\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/:@?#"'<>]{0,256}:[^\s/@?#"'<>]{1,256}(?=@)/gi,
  },
  token: {
    kind: "token",
    find: /\b(?:bearer|basic)[ +]{1,4}[A-Za-z0-9._~+/=-]{4,8192}/gi,
    // "basic concepts" is no credential; one has a digit, a sign, or both cases.
    verify: (found) => /[0-9._~+/=-]|[a-z][A-Z]|[A-Z][A-Z][a-z]/.test(found.replace(/^\w+[ +]+/, "")),
  },
  iban: {
    kind: "iban",
    find: /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])/g,
    verify: isIban,
  },
  creditcard: {
    kind: "creditcard",
    find: /(?<![\dA-Za-z.])(?:[3-6]|2[2-7])(?:[ -]?\d){11,18}(?![\dA-Za-z])/g,
    verify: isCardNumber,
  },
  usssn: { kind: "usssn", find: /(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])/g },
  email: {
    kind: "email",
    find: /(?<![\w.+-])[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,62}\.){1,8}[a-zA-Z]{2,63}(?![\w-])/g,
  },
  ip: {
    kind: "ip",
    find: /(?<![\w:.])(?:\d{1,3}(?:\.\d{1,3}){3}|(?=[0-9a-fA-F]{0,4}:)[0-9a-fA-F:]{2,39}(?:\.\d{1,3}){0,3})(?![\w:])(?!\.\d)/g,
    verify: (found) => isIP(found) !== 0 && /[1-9a-f]/i.test(found),
  },
};

/** What is taken out of every text, in the order in which one may hide inside another. */
export const standardPatterns: readonly Pattern[] = [
  patterns.privatekey,
  patterns.auth,
  patterns.token,
  patterns.iban,
  patterns.creditcard,
  patterns.usssn,
];

export function patternOf(kind: ScrubKind): Pattern {
  return patterns[kind];
}

/** Whether any of the standard patterns can be in a text; most texts hold none of these signs. */
export const mayHoldSecrets =
  /\d[\d -]{10}|\d{3}-\d\d-\d{4}|[A-Z]{2}\d\d[ A-Z\d]{8}|-----BEGIN|:\/\/[^\s/]{0,600}@|bearer|basic/i;

function isCardNumber(found: string): boolean {
  const digits = found.replaceAll(/[ -]/g, "");
  if (digits.length < 12 || digits.length > 19) return false;
  if (/^(\d)\1+$/.test(digits)) return false;
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 48;
    const doubled = index % 2 === 0 ? digit : digit * 2;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

function isIban(found: string): boolean {
  const compact = found.replaceAll(" ", "");
  if (compact.length < 15 || compact.length > 34) return false;
  let remainder = 0;
  for (const character of compact.slice(4) + compact.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}
