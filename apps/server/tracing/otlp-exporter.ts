import type { Attributes, AttributeValue, HrTime } from "@opentelemetry/api";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { Logger } from "@signalbox/kernel";

export interface OtlpExporterOptions {
  /** Where spans are posted, as `http://localhost:4318/v1/traces`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly serviceVersion: string;
  readonly logger: Logger;
}

const timeoutMs = 10_000;
/** `ExportResultCode` of the SDK. */
const succeeded = 0;
const failed = 1;

/**
 * Posts spans as OTLP JSON. Spans that the collector does not take are gone: traces are an aid, and may cost neither
 * memory nor patience.
 */
export function createOtlpExporter({ url, headers, logger, ...service }: OtlpExporterOptions): SpanExporter {
  let isFailing = false;
  const post = async (spans: readonly ReadableSpan[]): Promise<void> => {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(toOtlp(spans, service)),
      signal: AbortSignal.timeout(timeoutMs),
    });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`The collector answered ${answer.status}`);
  };
  return {
    export(spans, done) {
      post(spans).then(
        () => {
          isFailing = false;
          done({ code: succeeded });
        },
        (error: unknown) => {
          if (!isFailing) logger.warn("traces could not be exported", { error });
          isFailing = true;
          done({ code: failed });
        },
      );
    },
    shutdown: async () => {},
    forceFlush: async () => {},
  };
}

/** The body of an export request, as the OpenTelemetry protocol's JSON encoding has it. */
export function toOtlp(
  spans: readonly ReadableSpan[],
  { serviceName, serviceVersion }: Pick<OtlpExporterOptions, "serviceName" | "serviceVersion">,
): object {
  const resource = { attributes: toAttributes({ "service.name": serviceName, "service.version": serviceVersion }) };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "signalbox" }, spans: spans.map(toSpan) }] }] };
}

function toSpan(span: ReadableSpan): object {
  const { traceId, spanId } = span.spanContext();
  const parent = span.parentSpanContext;
  return {
    traceId,
    spanId,
    ...(parent && { parentSpanId: parent.spanId }),
    name: span.name,
    // The protocol counts from 1, the API from 0.
    kind: span.kind + 1,
    startTimeUnixNano: toNanoseconds(span.startTime),
    endTimeUnixNano: toNanoseconds(span.endTime),
    attributes: toAttributes(span.attributes),
    events: span.events.map(({ name, time, attributes = {} }) => ({
      name,
      timeUnixNano: toNanoseconds(time),
      attributes: toAttributes(attributes),
    })),
    links: span.links.map(({ context, attributes = {} }) => ({
      traceId: context.traceId,
      spanId: context.spanId,
      attributes: toAttributes(attributes),
    })),
    status: { code: span.status.code, ...(span.status.message && { message: span.status.message }) },
  };
}

function toNanoseconds([seconds, nanoseconds]: HrTime): string {
  return `${BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)}`;
}

function toAttributes(attributes: Attributes): object[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : { key, value: toValue(value) },
  );
}

function toValue(value: AttributeValue): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { arrayValue: { values: value.flatMap((one) => (one === null || one === undefined ? [] : toValue(one))) } };
}
