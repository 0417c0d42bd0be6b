import type { Counter, Metrics } from "@signalbox/kernel";

/** Which check a token did not pass: for the log and the metric, never for the client. */
const refusalReasons = [
  "missing",
  "malformed",
  "expired",
  "not_yet_valid",
  "bad_signature",
  "algorithm_refused",
  "unknown_issuer",
  "unknown_key",
  "wrong_audience",
  "claims_invalid",
  "revoked",
  "issuer_unavailable",
  "insufficient_scope",
] as const;

export type RefusalReason = (typeof refusalReasons)[number];

/** Thrown within the verification of a token; never leaves this package. */
export class TokenRefusal extends Error {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, options?: ErrorOptions) {
    super(`token refused: ${reason}`, options);
    this.name = "TokenRefusal";
    this.reason = reason;
  }
}

/** Counts requests by the check that their token did not pass. */
export function authFailuresCounter(metrics: Metrics): Counter {
  return metrics.counter({
    name: "signalbox_auth_failures_total",
    help: "Requests whose bearer token was missing, refused or too narrow, by the check that it did not pass.",
    labels: ["reason"],
    known: refusalReasons.map((reason) => ({ reason })),
  });
}
