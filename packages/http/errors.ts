import { defineErrors, type ErrorEntry, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

/** Codes that shared HTTP code answers with; every service's API uses the same names. */
export const httpErrors = defineErrors("HTTP", {
  missing_token: {
    message: "This address needs a bearer token.",
    status: 401,
    remedy: "Send `Authorization: Bearer TOKEN`; `signalbox token create` makes one.",
  },
  invalid_token: {
    message: "The bearer token is refused.",
    status: 401,
    remedy: "Use a token that this server or a configured issuer has signed. The server's log names the check.",
  },
  token_expired: { message: "The bearer token has expired.", status: 401, remedy: "Get a new token." },
  insufficient_scope: {
    message: "The token does not allow this.",
    status: 403,
    remedy: "Use a token with the scope that the answer names, for the project or experience in question.",
  },
  csrf_token_invalid: {
    message: "The request comes from a browser's session without that session's CSRF token.",
    status: 403,
    remedy: "Read `/api/v1/session` and send its `csrf_token` as `X-CSRF-Token`, or use a bearer token.",
  },
  not_found: {
    message: "There is nothing at this address.",
    status: 404,
    remedy: "Compare the path with /openapi.json.",
  },
  method_not_allowed: {
    message: "This address does not answer this method.",
    status: 405,
    remedy: "Use one of the methods in the `Allow` header.",
  },
  body_too_large: {
    message: "The body is larger than this address takes.",
    status: 413,
    remedy: "Send less at once; the answer names the limit.",
  },
  unsupported_media_type: {
    message: "The body has a media type that this address does not take.",
    status: 415,
    remedy: "Send `Content-Type: application/json` in UTF-8 unless the address documents another type.",
  },
  unsupported_encoding: {
    message: "The body has a content encoding that this address does not take.",
    status: 415,
    remedy: "Use one of the encodings in the `Accept-Encoding` header of the answer, or none.",
  },
  malformed_json: { message: "The body is not acceptable JSON.", status: 400, remedy: "Send valid JSON in UTF-8." },
  empty_body: { message: "The body is empty.", status: 400, remedy: "Send the document that the address asks for." },
  invalid_parameter: {
    message: "The request does not have the expected form.",
    status: 400,
    remedy: "`errors` names each place and what was expected there.",
  },
  invalid_cursor: {
    message: "The cursor was not made by this list.",
    status: 400,
    remedy: "Start from the first page and follow the `Link` header.",
  },
  rate_limited: {
    message: "Too many requests.",
    status: 429,
    retryable: true,
    remedy: "Wait as long as `Retry-After` says.",
  },
  shutting_down: {
    message: "The server is stopping.",
    status: 503,
    retryable: true,
    remedy: "Repeat the request after `Retry-After`; another instance may answer.",
  },
  unavailable: {
    message: "Something this answer needs is not reachable.",
    status: 503,
    retryable: true,
    remedy: "Repeat the request after `Retry-After`; /-/readiness says what is away.",
  },
  malformed_request: {
    message: "The request is not well-formed HTTP.",
    status: 400,
    remedy: "Check the client and the proxies in between.",
  },
  request_timeout: {
    message: "The request did not arrive in time.",
    status: 408,
    retryable: true,
    remedy: "Send the whole request faster, or in smaller parts.",
  },
  headers_too_large: {
    message: "The request's headers are too large.",
    status: 431,
    remedy: "Send fewer or shorter headers.",
  },
  internal_error: {
    message: "The server failed to answer.",
    status: 500,
    remedy: "Search the server's log for the correlation id of the answer.",
  },
});

export type HttpErrorCode = keyof typeof httpErrors.entries;

/** Faults in how the server is put together or in its files; they reach an operator or engineer, never a client. */
export const httpSetupErrors = defineErrors("HTTP set-up", {
  HTTP_ROUTE_WITHOUT_ACCESS: {
    message: "A route was registered without stating who may call it.",
    remedy: "Give the route `config: { access }`.",
  },
  HTTP_AUTHENTICATOR_MISSING: {
    message: "A route needs a token, but the server has nothing to check tokens with.",
    remedy: "Give `createHttpServer` an authenticator.",
  },
  HTTP_ROUTE_UNDOCUMENTED: {
    message: "A route lacks documentation.",
    remedy: "Add what the message lists to the route's schema.",
  },
  HTTP_RESPONSE_MISMATCH: {
    message: "An answer does not match the schema of its route.",
    remedy: "Correct the route's handler, or its response schema.",
  },
  HTTP_PROXY_INVALID: {
    message: "A trusted proxy is not an address or network.",
    remedy: "Write `http.trusted_proxies` entries as `10.1.2.3` or `10.0.0.0/8`.",
  },
  HTTP_TOKEN_KEY_UNREADABLE: {
    message: "The key that signs tokens cannot be used.",
    remedy: "Restore the file from a backup, or remove it: a new key is made, and all tokens made so far are void.",
  },
  HTTP_TOKEN_CLAIMS_INVALID: {
    message: "A token with these properties is not allowed.",
    remedy: "Name known scopes and a lifetime of at most one year.",
  },
  HTTP_METRIC_CONFLICT: {
    message: "A metric was registered twice with different properties.",
    remedy: "Use one name for one meaning.",
  },
  HTTP_ISSUER_INVALID: {
    message: "A configured token issuer is not usable.",
    remedy: "Correct the entry of `auth.issuers` that the message names.",
  },
});

export type HttpSetupErrorCode = keyof typeof httpSetupErrors.entries;

/** A fault of set-up or configuration. */
export class HttpSetupError extends SignalboxError {
  declare readonly code: HttpSetupErrorCode;

  constructor(code: HttpSetupErrorCode, options: ErrorOptions = {}) {
    const entry: ErrorEntry = httpSetupErrors.entries[code];
    super(code, entry, options);
  }
}
