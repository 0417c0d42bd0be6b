import type { IncomingMessage } from "node:http";
import {
  type Clock,
  enterContext,
  type Logger,
  type Metrics,
  noMetrics,
  silentLogger,
  systemClock,
} from "@signalbox/kernel";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { type Authenticator, requireScope } from "./access.js";
import { type ClientAddresses, createClientAddresses } from "./client-address.js";
import { answerClientError, clientErrorReasons } from "./client-error.js";
import { readCorrelation } from "./correlation.js";
import { HttpSetupError } from "./errors.js";
import { createHttpMetrics } from "./http-metrics.js";
import { addJsonParser } from "./json-body.js";
import { addOpenApi, type OpenApiOptions } from "./openapi.js";
import { HttpProblem, problemDocument } from "./problems.js";
import { createRequestLimits, defaultRateLimits, type RateLimits } from "./request-limits.js";
import { type Route, rememberRoute, routeOf } from "./route.js";
import type { Principal } from "./scopes.js";
import { setSecurityHeaders } from "./security-headers.js";
import { createShutdown, type Shutdown } from "./shutdown.js";
import { toProblem } from "./to-problem.js";
import { authFailuresCounter } from "./token-refusal.js";
import { answerUnmatched } from "./unmatched.js";
import { createSchemaController } from "./validation.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Who sent the request; null on public and protocol routes. */
    principal: Principal | null;
    /** Canonical correlation id. */
    correlationId: string;
    /** The client as far as trusted proxies tell; `ip` is only the peer. */
    readonly clientAddress: string;
  }
  interface FastifyInstance {
    /** From now on new requests are answered 503 with `Retry-After`, also on connections that are open. */
    beginShutdown(): void;
    readonly shutdown: Shutdown;
  }
}

export interface HttpLimits {
  /** Bytes of a body as sent, unless the route says otherwise. */
  readonly maxBytes: number;
  /** Bytes of a body after decompression, unless the route says otherwise. */
  readonly maxInflatedBytes: number;
  readonly maxHeaderBytes: number;
  /** From the first byte until the headers are complete. */
  readonly headersTimeoutMs: number;
  /** From the first byte until the body is complete. */
  readonly requestTimeoutMs: number;
  /** Without a byte in either direction while a request is under way. */
  readonly idleTimeoutMs: number;
  /** Between two requests on one connection. */
  readonly keepAliveTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
}

export const defaultHttpLimits: HttpLimits = {
  maxBytes: 1024 * 1024,
  maxInflatedBytes: 4 * 1024 * 1024,
  maxHeaderBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  idleTimeoutMs: 120_000,
  keepAliveTimeoutMs: 65_000,
  maxRequestsPerConnection: 10_000,
};

export interface HttpServerOptions {
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  /** Without it no route with a scope can be registered. */
  readonly authenticator?: Authenticator;
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[];
  readonly limits?: Partial<HttpLimits>;
  /** `false` switches the shared limits off. */
  readonly rateLimits?: Partial<RateLimits> | false;
  /** Changes path and query before routing, e.g. for prefixes. Must not throw. */
  readonly rewriteUrl?: (url: string, request: IncomingMessage) => string;
  /** Serves `/openapi.json` when given. */
  readonly openApi?: OpenApiOptions;
  /**
   * What happens to an answer that does not match its route's schema: `refuse` (default) makes it a 500, `report` logs
   * and counts it.
   */
  readonly onResponseMismatch?: "refuse" | "report";
}

/**
 * A Fastify instance on which every service registers its routes.
 *
 * Each route states `config.access`, else its registration throws. What is promised for all of them, also inside
 * encapsulated plugins with parsers and error handlers of their own: correlation id in context and answer, metrics,
 * access, limits, security headers, 404 and 405, and a shutdown that answers 503. An encapsulated plugin shapes its
 * errors, among them those of access and limits, by its own error handler.
 */
export async function createHttpServer(options: HttpServerOptions = {}): Promise<FastifyInstance> {
  const limits: HttpLimits = { ...defaultHttpLimits, ...options.limits };
  const logger = (options.logger ?? silentLogger).child("http");
  const clock = options.clock ?? systemClock;
  const metrics = createHttpMetrics(options.metrics ?? noMetrics, clientErrorReasons);
  const authFailures = authFailuresCounter(options.metrics ?? noMetrics);
  const rates: RateLimits = { ...defaultRateLimits, ...(options.rateLimits || {}) };
  const requestLimits =
    options.rateLimits === false ? undefined : createRequestLimits(rates, clock, metrics.rateLimited);
  const clientAddresses = createClientAddresses(options.trustedProxies ?? []);
  const shutdown = createShutdown();
  const methods = new Set<string>();
  const { rewriteUrl, authenticator } = options;

  const app: FastifyInstance = fastify({
    logger: false,
    logController: new StreamErrorLog(logger),
    bodyLimit: limits.maxBytes,
    requestTimeout: limits.requestTimeoutMs,
    connectionTimeout: limits.idleTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxRequestsPerSocket: limits.maxRequestsPerConnection,
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, caseSensitive: true, maxParamLength: 512 },
    http: {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
      requestTimeout: limits.requestTimeoutMs,
      // Node looks for overdue requests at this interval; its default of 30 s would make the limits a guess.
      connectionsCheckingInterval: 1000,
    },
    schemaController: createSchemaController(
      options.onResponseMismatch === "report"
        ? { report: (error) => logger.warn("answer does not match its schema", { error }) }
        : "refuse",
    ),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, metrics.refusedConnections),
    frameworkErrors: (error, request, reply) => {
      // No hook runs for a path that cannot be read.
      beginRequest(request, reply);
      sendProblem(error, request, reply);
    },
    ...(rewriteUrl ? { rewriteUrl: (request: IncomingMessage) => rewriteUrl(request.url ?? "/", request) } : {}),
  });

  decorate(app, clientAddresses, shutdown);
  addJsonParser(app);
  app.addHook("onRoute", (routeOptions) => {
    const route = rememberRoute(routeOptions, limits);
    if (route.scopes.length > 0 && authenticator === undefined)
      throw new HttpSetupError("HTTP_AUTHENTICATOR_MISSING", {
        message: `The route ${routeOptions.method} ${routeOptions.url} needs a token, but the server has no authenticator.`,
      });
    for (const method of [routeOptions.method].flat()) {
      methods.add(method);
      metrics.routeKnown(route, method);
    }
  });

  const beginRequest = (request: FastifyRequest, reply: FastifyReply): Route => {
    const route = routeOf(request);
    const startedMs = clock.monotonicMs();
    const { correlationId, traceparent, tracestate } = readCorrelation(request.headers);
    request.correlationId = correlationId;
    reply.header("x-correlation-id", correlationId);
    if (traceparent !== undefined) reply.header("traceparent", traceparent);
    const requestId = request.headers["x-request-id"];
    if (typeof requestId === "string" && /^[\x21-\x7e]{1,128}$/.test(requestId))
      reply.header("x-request-id", requestId);
    enterContext(Object.freeze({ correlationId, traceparent, tracestate, meta: route.meta }));
    shutdown.requestBegun();
    reply.raw.on("close", () => {
      shutdown.requestEnded();
      const status = reply.raw.writableFinished ? reply.raw.statusCode : clientClosed;
      metrics.requestDone(route, request.method, status, (clock.monotonicMs() - startedMs) / 1000, correlationId);
    });
    return route;
  };

  const authorize = async (request: FastifyRequest, route: Route): Promise<void> => {
    if (authenticator === undefined) return;
    const token = route.readToken ? route.readToken(request) : bearerToken(request);
    if (!authenticator.isVerified(token)) requestLimits?.checkFailedLogins(request.clientAddress);
    try {
      request.principal = await authenticator.authenticate(token);
    } catch (error) {
      const failed = error instanceof HttpProblem && error.status === 401 && error.code !== "missing_token";
      if (failed) requestLimits?.countFailedLogin(request.clientAddress);
      throw error;
    }
    if (route.sharedRateLimit) requestLimits?.countToken(request.principal.tokenId);
    try {
      requireScope(request.principal, route.scopes);
    } catch (error) {
      authFailures.add(1, { reason: "insufficient_scope" });
      throw error;
    }
  };

  app.addHook("onRequest", (request, reply, done) => {
    const route = beginRequest(request, reply);
    try {
      if (shutdown.begun && !route.duringShutdown)
        throw new HttpProblem("shutting_down", { headers: { "retry-after": "5", connection: "close" } });
      if (route.sharedRateLimit) requestLimits?.countAddress(request.clientAddress);
      if (request.is404) return answerUnmatched(app, methods, request, reply);
    } catch (error) {
      return done(toError(error));
    }
    if (route.scopes.length === 0) return done();
    authorize(request, route).then(
      () => done(),
      (error) => done(toError(error)),
    );
  });

  app.addHook("onSend", (_request, reply, payload, done) => {
    setSecurityHeaders(reply);
    if (shutdown.begun) reply.header("connection", "close");
    done(null, payload);
  });

  const sendProblem = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const problem = toProblem(error);
    if (problem.code === "internal_error") logger.error("request failed", { error: problem.cause ?? problem });
    else if (problem.code === "unavailable") logger.warn("request needs what is away", { error: problem.cause });
    const [path = "/"] = request.originalUrl.split("?", 1);
    reply
      .code(problem.status)
      .headers(problem.headers)
      .type("application/problem+json; charset=utf-8")
      .send(JSON.stringify(problemDocument(problem, path, request.correlationId)));
  };
  app.setErrorHandler(sendProblem);
  // Reached by `reply.callNotFound()` alone; requests without a route end in the hook above.
  app.setNotFoundHandler(() => {
    throw new HttpProblem("not_found");
  });
  app.addHook("preClose", async () => shutdown.begin());

  if (options.openApi) await addOpenApi(app, options.openApi);
  return app;
}

/** Counted as the status of requests whose client went away before the answer was out. */
const clientClosed = 499;

/** Fastify's own log is off; what breaks after the headers are out would otherwise go unseen. */
class StreamErrorLog extends LogController {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    super({ disableRequestLogging: true });
    this.#logger = logger;
  }

  override streamError(error: Error): void {
    if ("code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE") return;
    this.#logger.warn("answer broke off", { error });
  }
}

function decorate(app: FastifyInstance, addresses: ClientAddresses, shutdown: Shutdown): void {
  app.decorate("shutdown", shutdown);
  app.decorate("beginShutdown", () => shutdown.begin());
  app.decorateRequest("principal", null);
  app.decorateRequest("correlationId", "");
  app.decorateRequest("clientAddress", {
    getter(this: FastifyRequest) {
      return addresses.of(this.raw.socket, this.headers["x-forwarded-for"]);
    },
  });
}

/** `undefined` without a bearer token, the empty string when there is one that cannot be read. */
function bearerToken(request: FastifyRequest): string | undefined {
  const header = request.headers.authorization;
  if (header === undefined || !/^bearer(?: |$)/i.test(header)) return undefined;
  return header.slice("bearer".length).trim();
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("a hook failed", { cause: error });
}
