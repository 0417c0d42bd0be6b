import { errorCode, SignalboxError } from "@signalbox/kernel";
import { HttpProblem } from "./problems.js";

/** Seconds that a client waits before it repeats a request that failed for a passing reason. */
const retryAfter = { "retry-after": "5" } as const;

/**
 * What a client learns of an error: problems as they are, other Signalbox errors when their catalogue gives them a
 * status, the framework's own by table, and of everything else nothing but that it happened.
 */
export function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof SignalboxError) return fromSignalbox(error);
  const code = errorCode(error);
  const shared = code === undefined ? undefined : frameworkCodes[code];
  return new HttpProblem(shared ?? "internal_error", { cause: error });
}

function fromSignalbox(error: SignalboxError): HttpProblem {
  const { code, status, retryable } = error;
  if (status !== undefined && status >= 400 && status !== 500)
    return new HttpProblem(
      code,
      { message: error.message, status, retryable },
      retryable && (status === 429 || status === 503) ? { headers: retryAfter, cause: error } : { cause: error },
    );
  return retryable
    ? new HttpProblem("unavailable", { headers: retryAfter, cause: error })
    : new HttpProblem("internal_error", { cause: error });
}

const frameworkCodes: Readonly<
  Record<
    string,
    | "unsupported_media_type"
    | "body_too_large"
    | "empty_body"
    | "malformed_json"
    | "invalid_parameter"
    | "malformed_request"
    | "request_timeout"
  >
> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported_media_type",
  FST_ERR_CTP_INVALID_TYPE: "unsupported_media_type",
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: "unsupported_media_type",
  FST_ERR_CTP_BODY_TOO_LARGE: "body_too_large",
  FST_ERR_CTP_EMPTY_JSON_BODY: "empty_body",
  FST_ERR_CTP_INVALID_JSON_BODY: "malformed_json",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "malformed_request",
  FST_ERR_BAD_URL: "invalid_parameter",
  FST_ERR_MAX_PARAM_LENGTH: "invalid_parameter",
};
