import type { DomainEvent, TraceContext } from "./event.js";

/** The span of one publish of one event. */
export interface PublishSpan {
  /** What the event carries to its handlers; `null` when nothing is recorded. */
  readonly trace: TraceContext | null;
  /** The first call ends the span; with an error it has failed. */
  end(error?: unknown): void;
}

/** One attempt to handle a delivery. */
export interface TracedAttempt {
  readonly subscription: string;
  readonly deliveryId: string;
  readonly attempt: number;
  /** Several for a batch. */
  readonly events: readonly DomainEvent<unknown>[];
}

/**
 * Makes spans of publishing and handling. The store works the same with and without it; no call throws.
 * `@signalbox/event-store/opentelemetry` has the adapter for OpenTelemetry.
 */
export interface Tracing {
  publishing(event: DomainEvent<unknown>): PublishSpan;
  /** Runs and returns `work` inside a span that ends when it settles. */
  processing<T>(attempt: TracedAttempt, work: (trace: TraceContext | null) => Promise<T>): Promise<T>;
}
