import { SignalboxError } from "@signalbox/kernel";
import { IngestError } from "./ingest-errors.js";

/** Sent with every answer of an ingest route: SDKs run on pages of any origin. */
export const corsHeaders: Readonly<Record<string, string>> = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "POST, GET, OPTIONS",
  "access-control-allow-headers":
    "x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, authentication, " +
    "authorization, content-encoding, transfer-encoding, sentry-trace, baggage, x-correlation-id",
  "access-control-expose-headers": "x-sentry-error, x-sentry-rate-limits, retry-after, x-correlation-id",
  "access-control-max-age": "3600",
};

/** A transparent pixel: what pages get that report by loading an image. */
export const pixel = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly detail: string; readonly causes: readonly string[]; readonly code: string };
}

/** The answer to a request that was refused. Texts come from the catalogues alone, never from what the client sent. */
export function errorAnswer(error: SignalboxError, causes: readonly string[] = []): ErrorAnswer {
  const { maxBytes } = error.details;
  const limit = typeof maxBytes === "number" ? [`The limit is ${maxBytes} bytes.`] : [];
  return {
    status: error.status ?? 500,
    headers: { ...headersOf(error), "x-sentry-error": error.code },
    body: { detail: error.message, causes: [...limit, ...causes], code: error.code },
  };
}

/** What the edge says of anything that was thrown; errors of other parts are not shown to clients. */
export function toIngestError(error: unknown): SignalboxError {
  if (error instanceof SignalboxError) {
    if (error.code.startsWith("ET_")) return error;
    if (error.code === "shutting_down")
      return new IngestError("ET_QUEUE_UNAVAILABLE", {
        cause: error,
        headers: { "retry-after": "5", connection: "close" },
      });
    if (error.retryable)
      return new IngestError("ET_QUEUE_UNAVAILABLE", { cause: error, headers: { "retry-after": "10" } });
  }
  return new IngestError("ET_INTERNAL", { cause: error });
}

function headersOf(error: SignalboxError): Readonly<Record<string, string>> {
  return error instanceof IngestError ? error.headers : {};
}
