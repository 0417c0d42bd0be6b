import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const protocolErrors = defineErrors("Sentry protocol", {
  ET_PROJECT_INVALID: {
    message: "The project in the path is not a decimal integer of at least 1.",
    status: 400,
    remedy: "Copy the DSN again; its last path segment is the project's number.",
  },
  ET_KEY_INVALID: {
    message: "The key is not 1 to 64 letters, digits, underscores or hyphens.",
    status: 400,
    remedy: "Copy the DSN again; the key stands before the @.",
  },
  ET_DSN_INVALID: {
    message: "The text is not a DSN of the form scheme://key@host/project.",
    status: 400,
    remedy: "Copy the DSN again from the project's keys.",
  },
  ET_AUTH_MISSING: {
    message: "The request carries no key.",
    status: 401,
    remedy: "Send the DSN's key in X-Sentry-Auth, in the query as sentry_key, or the DSN in the envelope header.",
  },
  ET_AUTH_MULTIPLE: {
    message: "The request carries several keys that differ.",
    status: 401,
    remedy: "Send one key only; look for a proxy that adds its own Authorization header.",
  },
  ET_DSN_MISMATCH: {
    message: "The DSN in the envelope does not belong to the key or the path of the request.",
    status: 403,
    remedy: "Send the envelope to the project that its DSN names.",
  },
  ET_PROTOCOL_UNSUPPORTED: {
    message: "The client speaks a newer version of the protocol than this server.",
    status: 400,
    remedy: "Use an SDK that speaks protocol version 8 or lower.",
  },
  ET_BODY_EMPTY: {
    message: "The request has no body.",
    status: 400,
    remedy: "Send an envelope or an event.",
  },
  ET_ENVELOPE_MALFORMED: {
    message: "The envelope's framing is broken.",
    status: 400,
    remedy: "Look for a proxy that changes or cuts request bodies; update the SDK.",
  },
  ET_ITEMS_TOO_MANY: {
    message: "The envelope has more items than allowed.",
    status: 400,
    remedy: "Send fewer items per envelope, or raise error_tracking.limits.items_per_envelope.",
  },
  ET_BODY_CORRUPT: {
    message: "The body cannot be decoded as its encoding says.",
    status: 400,
    remedy: "Check that Content-Encoding names what was really done to the body.",
  },
  ET_BODY_TOO_LARGE: {
    message: "The body is larger than allowed.",
    status: 413,
    remedy: "Send less at once, or raise error_tracking.limits.",
  },
  ET_JSON_INVALID: {
    message: "The payload is not a JSON object.",
    status: 400,
    remedy: "Update the SDK; a hook that serialises events itself may be at fault.",
  },
  ET_JSON_TOO_DEEP: {
    message: "The payload is nested too deeply.",
    status: 400,
    remedy: "Lower the SDK's normalisation depth.",
  },
});

export type ProtocolErrorCode = keyof typeof protocolErrors.entries;

/** The one error that reading client bytes can end in. Its texts never contain content of the payload. */
export class ProtocolError extends SignalboxError {
  declare readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, options: ErrorOptions = {}) {
    super(code, protocolErrors.entries[code], options);
  }
}
