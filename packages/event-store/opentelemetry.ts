import {
  type Context,
  context,
  createTraceState,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { type DomainEvent, EventInstance, type TraceContext } from "./event.js";
import type { Tracing } from "./tracing.js";

export interface OpenTelemetryOptions {
  /**
   * How handling belongs to publishing. `link` (default): each attempt begins a trace of its own that points at the
   * publish, since one publish may have many attempts over days. `parent`: attempts are children of the publish.
   */
  readonly handling?: "link" | "parent";
  /** Default: the registered provider's tracer `@signalbox/event-store`. */
  readonly tracer?: Tracer;
}

/**
 * Spans through OpenTelemetry: `publish <type>` for each event, `process <subscription>` for each attempt to handle one
 * delivery or batch. Trace context travels in the envelope in W3C form, whatever propagator is registered.
 */
export function createOpenTelemetryTracing(options: OpenTelemetryOptions = {}): Tracing {
  const { handling = "link" } = options;
  // Asked for late: a provider may be registered after the store is made.
  const tracer = (): Tracer => options.tracer ?? trace.getTracer("@signalbox/event-store");
  return {
    publishing(event) {
      const span = tracer().startSpan(`publish ${event.type}`, {
        kind: SpanKind.PRODUCER,
        attributes: {
          "messaging.system": "signalbox",
          "messaging.operation.type": "send",
          "messaging.destination.name": event.type,
          "messaging.message.id": event.id,
          "messaging.message.conversation_id": event.correlationId,
        },
      });
      return { trace: traceContextOf(span), end: (error) => endSpan(span, error) };
    },

    async processing({ subscription, deliveryId, attempt, events }, work) {
      const links = events.flatMap((event) => linkOf(event) ?? []);
      const [first] = links;
      const asChild = handling === "parent" && first !== undefined;
      const parent: Context = asChild ? trace.setSpanContext(ROOT_CONTEXT, first.context) : ROOT_CONTEXT;
      const span = tracer().startSpan(
        `process ${subscription}`,
        {
          kind: SpanKind.CONSUMER,
          links: asChild ? links.slice(1) : links,
          attributes: {
            "messaging.system": "signalbox",
            "messaging.operation.type": "process",
            "messaging.destination.name": subscription,
            "messaging.message.id": deliveryId,
            "messaging.batch.message_count": events.length,
            "signalbox.attempt": attempt,
          },
        },
        parent,
      );
      try {
        const result = await context.with(trace.setSpan(parent, span), () => work(traceContextOf(span)));
        span.end();
        return result;
      } catch (error) {
        endSpan(span, error);
        throw error;
      }
    },
  };
}

function endSpan(span: Span, error: unknown): void {
  if (error !== undefined) {
    span.recordException(error instanceof Error ? error : String(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
  }
  span.end();
}

/** `null` for a span that nobody records: its ids mean nothing. */
function traceContextOf(span: Span): TraceContext | null {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  if (!trace.isSpanContextValid(span.spanContext())) return null;
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`,
    tracestate: traceState?.serialize() || null,
  };
}

const traceparentPattern = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

function linkOf(event: DomainEvent<unknown>): Link | undefined {
  const [, traceId, spanId, flags] = traceparentPattern.exec(event.traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const tracestate = EventInstance.is(event) ? EventInstance.hidden(event).tracestate : null;
  const spanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(tracestate === null ? {} : { traceState: createTraceState(tracestate) }),
  };
  return { context: spanContext, attributes: { "messaging.message.id": event.id } };
}
