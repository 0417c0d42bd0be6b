import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import type { Tracing } from "@signalbox/event-store";
import type { Logger } from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";
import { version } from "../version.js";

/** Makes spans of what the server does. */
export interface ServerTracing {
  readonly events: Tracing;
  http(app: FastifyInstance): void;
  database(database: Database): Database;
  analytics(analytics: Analytics): Analytics;
  /** Sends what is not sent yet. */
  stop(): Promise<void>;
}

export interface TracingOptions {
  /** OpenTelemetry's own variables are what everybody knows. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly handling: "link" | "parent";
  readonly logger: Logger;
}

/** `undefined`, with nothing loaded, unless `OTEL_EXPORTER_OTLP_ENDPOINT` says where traces go. */
export async function startTracing({ env, handling, logger }: TracingOptions): Promise<ServerTracing | undefined> {
  const endpoint = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
  const base = env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  if (!endpoint && !base) return undefined;
  const url = endpoint || `${base?.replace(/\/+$/, "")}/v1/traces`;
  const [api, sdk, events, { createOtlpExporter }, { createContextManager }, http, database, analytics] =
    await Promise.all([
      import("@opentelemetry/api"),
      import("@opentelemetry/sdk-trace-base"),
      import("@signalbox/event-store/opentelemetry"),
      import("./otlp-exporter.js"),
      import("./context-manager.js"),
      import("./trace-http.js"),
      import("./trace-database.js"),
      import("./trace-analytics.js"),
    ]);
  const exporter = createOtlpExporter({
    url,
    headers: parseHeaders(env["OTEL_EXPORTER_OTLP_HEADERS"]),
    serviceName: env["OTEL_SERVICE_NAME"] || "signalbox",
    serviceVersion: version,
    logger: logger.child("tracing"),
  });
  const provider = new sdk.BasicTracerProvider({ spanProcessors: [new sdk.BatchSpanProcessor(exporter)] });
  api.context.setGlobalContextManager(createContextManager());
  api.propagation.setGlobalPropagator(traceContextPropagator(api));
  api.trace.setGlobalTracerProvider(provider);
  return {
    events: events.createOpenTelemetryTracing({ handling }),
    http: http.traceHttp,
    database: database.traceDatabase,
    analytics: analytics.traceAnalytics,
    async stop() {
      await provider.shutdown();
      api.trace.disable();
      api.propagation.disable();
      api.context.disable();
    },
  };
}

const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Reads W3C Trace Context; what goes out carries it in envelopes. */
function traceContextPropagator(
  api: typeof import("@opentelemetry/api"),
): import("@opentelemetry/api").TextMapPropagator {
  return {
    inject() {},
    extract(context, carrier, getter) {
      const header = getter.get(carrier, "traceparent");
      const [, traceId, spanId, flags] = traceparentPattern.exec(typeof header === "string" ? header : "") ?? [];
      if (traceId === undefined || spanId === undefined || flags === undefined) return context;
      const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
      return api.isSpanContextValid(spanContext) ? api.trace.setSpanContext(context, spanContext) : context;
    },
    fields: () => ["traceparent"],
  };
}

/** `key=value` pairs with commas between, values percent-encoded. */
function parseHeaders(text = ""): Record<string, string> {
  return Object.fromEntries(
    text
      .split(",")
      .map((pair) => pair.split("="))
      .flatMap(([key = "", ...value]) =>
        key.trim() === "" ? [] : [[key.trim(), decodeURIComponent(value.join("=").trim())]],
      ),
  );
}
