import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Analytics } from "@signalbox/analytics";

/** The same store with a span for each call, where a trace is under way. */
export function traceAnalytics(analytics: Analytics): Analytics {
  const { engine } = analytics;
  const traced = async <T>(name: string, statement: string, work: () => Promise<T>): Promise<T> => {
    if (!trace.getActiveSpan()) return work();
    const span = trace.getTracer("signalbox").startSpan(`${engine} ${name}`, {
      kind: SpanKind.CLIENT,
      attributes: { "db.system.name": "clickhouse", "db.query.text": statement },
    });
    try {
      return await work();
    } catch (error) {
      span.recordException(error instanceof Error ? error : String(error));
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  };
  return {
    engine,
    command: (sql, options) => traced("command", sql, () => analytics.command(sql, options)),
    insert: (table, rows, options) => traced("insert", table, () => analytics.insert(table, rows, options)),
    query: (sql, params, options) => traced("query", sql, () => analytics.query(sql, params, options)),
    ping: (signal) => analytics.ping(signal),
    close: () => analytics.close(),
  };
}
