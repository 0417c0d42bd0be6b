import { type Clock, enterContext, readCorrelation } from "@signalbox/kernel";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { HttpMetrics } from "./http-metrics.js";
import { type Route, routeOf } from "./route.js";
import type { Shutdown } from "./shutdown.js";

/** Counted as the status of requests whose client went away before the answer was out. */
const clientClosed = 499;

const requestIdPattern = /^[\x21-\x7e]{1,128}$/;

/**
 * What happens first to every request: it enters its context, its answer gets the correlation headers, and it is
 * counted until its answer is out or its connection gone. Runs for each request at full rate, so it makes little.
 */
export function beginRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  { clock, metrics, shutdown }: { readonly clock: Clock; readonly metrics: HttpMetrics; readonly shutdown: Shutdown },
): Route {
  const route = routeOf(request);
  const startedMs = clock.monotonicMs();
  const { correlationId, traceparent, tracestate } = readCorrelation(request.headers);
  request.correlationId = correlationId;
  reply.header("x-correlation-id", correlationId);
  if (traceparent !== undefined) reply.header("traceparent", traceparent);
  const requestId = request.headers["x-request-id"];
  if (typeof requestId === "string" && requestIdPattern.test(requestId)) reply.header("x-request-id", requestId);
  enterContext(Object.freeze({ correlationId, traceparent, tracestate, meta: route.meta }));
  shutdown.requestBegun();
  reply.raw.on("close", () => {
    shutdown.requestEnded();
    const status = reply.raw.writableFinished ? reply.raw.statusCode : clientClosed;
    metrics.requestDone(route, request.method, status, (clock.monotonicMs() - startedMs) / 1000, correlationId);
  });
  return route;
}
