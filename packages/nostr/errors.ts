import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const nostrErrors = defineErrors("Nostr", {
  NOSTR_BAD_KEY: {
    message: "This is no key",
    remedy: "Give 64 hex digits, an `npub1…` where a public key is meant, an `nsec1…` where a secret key is",
  },
  NOSTR_BAD_SERVICE: {
    message: "This does not name a relay",
    remedy: "Give a host with an optional port and path, as `relay.example.org` or `example.org:7334/git`",
  },
  NEGENTROPY_MALFORMED: {
    message: "A negentropy message cannot be read",
    remedy: "The peer speaks another protocol or sends damaged messages; use pages instead",
  },
  NEGENTROPY_UNSUPPORTED: {
    message: "The peer speaks another version of negentropy",
    remedy: "Use pages instead",
  },
  NEGENTROPY_MISUSED: {
    message: "A negentropy set or session was used in the wrong order, or with a value out of range",
    remedy: "This is a mistake in the program that uses the package; the message of the error says which",
  },
});

export type NostrErrorCode = keyof typeof nostrErrors.entries;

export class NostrError extends SignalboxError {
  declare readonly code: NostrErrorCode;

  constructor(code: NostrErrorCode, options: ErrorOptions = {}) {
    super(code, nostrErrors.entries[code], options);
  }
}
