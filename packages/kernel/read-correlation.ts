import { randomBytes } from "node:crypto";
import { canonicalCorrelationId, isCorrelationId } from "./correlation-id.js";
import { ulid } from "./ulid.js";

/** Headers of a request with lower-case names, as `node:http` has them. */
export type IncomingHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What ties a request to the journey it belongs to. */
export interface Correlation {
  readonly correlationId: string;
  /** The caller's trace continued with a span of our own; absent when the caller sent none. */
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/**
 * Reads `X-Correlation-ID`, else `X-Request-ID`, else the trace id of `traceparent`, in canonical form; makes an id when
 * none of them holds an acceptable one. What is not acceptable is ignored, never answered with an error.
 */
export function readCorrelation(headers: IncomingHeaders): Correlation {
  const trace = headers["traceparent"] === undefined ? undefined : parseTraceparent(headers["traceparent"]);
  const given = acceptable(headers["x-correlation-id"]) ?? acceptable(headers["x-request-id"]) ?? trace?.traceId;
  const correlationId = given === undefined ? ulid() : canonicalCorrelationId(given);
  if (trace === undefined) return { correlationId };
  const traceparent = `00-${trace.traceId}-${newSpanId()}-${trace.sampled ? "01" : "00"}`;
  const tracestate = headers["tracestate"];
  return typeof tracestate === "string" && tracestate.length <= 512
    ? { correlationId, traceparent, tracestate }
    : { correlationId, traceparent };
}

function acceptable(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" && isCorrelationId(value) ? value : undefined;
}

const traceparentPattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const onlyZeros = /^0+$/;

/** W3C Trace Context: later versions may append fields, version 00 may not, version ff is invalid. */
function parseTraceparent(value: string | readonly string[]): { traceId: string; sampled: boolean } | undefined {
  const match = typeof value === "string" ? traceparentPattern.exec(value) : null;
  if (!match) return undefined;
  const [, version = "", traceId = "", parentId = "", flags = "", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (onlyZeros.test(traceId) || onlyZeros.test(parentId)) return undefined;
  return { traceId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

function newSpanId(): string {
  const spanId = randomBytes(8).toString("hex");
  return onlyZeros.test(spanId) ? newSpanId() : spanId;
}
