import type { IncomingMessage } from "node:http";
import {
  type Clock,
  type Logger,
  type Metrics,
  noMetrics,
  noteUrgentWork,
  silentLogger,
  systemClock,
} from "@signalbox/kernel";
import fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import type { Authenticator } from "./access.js";
import { type Authorization, authorize, bearerToken, verifyAgain } from "./authorize.js";
import { beginRequest } from "./begin-request.js";
import { type ClientAddresses, createClientAddresses } from "./client-address.js";
import { answerClientError, clientErrorReasons } from "./client-error.js";
import { HttpSetupError } from "./errors.js";
import { findHeadFault } from "./head-fault.js";
import { createHttpMetrics } from "./http-metrics.js";
import { addJsonParser } from "./json-body.js";
import { addOpenApi, type OpenApiOptions } from "./openapi.js";
import { HttpProblem } from "./problems.js";
import { refuseNulInAddress } from "./refuse-nul.js";
import { createRequestLimits, defaultRateLimits, type RateLimits } from "./request-limits.js";
import { rememberRoute, routeOf } from "./route.js";
import type { Principal } from "./scopes.js";
import { setSecurityHeaders } from "./security-headers.js";
import { createProblemSender, StreamErrorLog } from "./send-problem.js";
import { createShutdown, type Shutdown } from "./shutdown.js";
import { authFailuresCounter } from "./token-refusal.js";
import { answerUnmatched } from "./unmatched.js";
import { createSchemaController, type SchemaCompilation } from "./validation.js";

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
    /**
     * The principal of the request's token now, for answers that last longer than a token may.
     * @throws {HttpProblem} when it is not good any more.
     */
    verifyAgain(request: FastifyRequest): Promise<Principal>;
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
  /** Where the token is on routes that do not say it themselves. Default: after `Bearer` in `Authorization`. */
  readonly readToken?: (request: FastifyRequest) => string | undefined;
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[];
  readonly limits?: Partial<HttpLimits>;
  /** `false` switches the shared limits off. */
  readonly rateLimits?: Partial<RateLimits> | false;
  /** Changes path and query before routing, e.g. for prefixes. Must not throw. */
  readonly rewriteUrl?: (url: string, request: IncomingMessage) => string;
  /** The document for people who open an address that does not exist; for programs that is a problem. */
  readonly notFoundPage?: string | undefined;
  /** Serves `/openapi.json` when given. */
  readonly openApi?: OpenApiOptions;
  /**
   * What happens to an answer that does not match its route's schema: `refuse` (default) makes it a 500, `report` logs
   * and counts it.
   */
  readonly onResponseMismatch?: "refuse" | "report";
  /** Default: `at-start`. */
  readonly schemaCompilation?: SchemaCompilation;
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
  const { clock = systemClock, authenticator, rewriteUrl } = options;
  const metricsPort = options.metrics ?? noMetrics;
  const metrics = createHttpMetrics(metricsPort, clientErrorReasons);
  const requestLimits =
    options.rateLimits === false
      ? undefined
      : createRequestLimits({ ...defaultRateLimits, ...options.rateLimits }, clock, metrics.rateLimited);
  const sendProblem = createProblemSender(logger, clock);
  const shutdown = createShutdown();
  const methods = new Set<string>();
  const beginning = { clock, metrics, shutdown };
  const authorization: Authorization = {
    authenticator,
    readToken: options.readToken ?? bearerToken,
    limits: requestLimits,
    authFailures: authFailuresCounter(metricsPort),
  };

  const app: FastifyInstance = fastify({
    ...connectionOptions(limits),
    logger: false,
    logController: new StreamErrorLog(logger),
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, caseSensitive: true, maxParamLength: 512 },
    schemaController: createSchemaController(
      options.onResponseMismatch === "report"
        ? { report: (error) => logger.warn("answer does not match its schema", { error }) }
        : "refuse",
      options.schemaCompilation ?? "at-start",
    ),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, metrics.refusedConnections),
    frameworkErrors: (error, request, reply) => {
      // No hook runs for a path that cannot be read.
      beginRequest(request, reply, beginning);
      sendProblem(error, request, reply);
    },
    ...(rewriteUrl ? { rewriteUrl: (request: IncomingMessage) => rewriteUrl(request.url ?? "/", request) } : {}),
  });

  decorate(app, createClientAddresses(options.trustedProxies ?? []), shutdown);
  app.decorate("verifyAgain", (request: FastifyRequest) => verifyAgain(request, authorization));
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
  app.addHook("onRequest", (request, reply, done) => {
    const route = beginRequest(request, reply, beginning);
    if (!route.duringShutdown) noteUrgentWork();
    try {
      if (shutdown.begun && !route.duringShutdown)
        throw new HttpProblem("shutting_down", { headers: { "retry-after": "5", connection: "close" } });
      if (route.sharedRateLimit) requestLimits?.countAddress(request.clientAddress);
      const fault = findHeadFault(request.raw);
      if (fault !== undefined)
        throw new HttpProblem("malformed_request", { detail: fault, headers: { connection: "close" } });
      if (request.is404) return answerUnmatched({ app, methods, page: options.notFoundPage }, request, reply);
    } catch (error) {
      return done(toError(error));
    }
    if (route.scopes.length === 0) return done();
    authorize(request, route, authorization).then(
      () => done(),
      (error) => done(toError(error)),
    );
  });
  app.addHook("preValidation", (request, _reply, done) => {
    try {
      // Protocols of others say themselves what they make of it.
      if (routeOf(request).scopes.length > 0) refuseNulInAddress(request);
      done();
    } catch (error) {
      done(toError(error));
    }
  });
  app.addHook("onSend", (_request, reply, payload, done) => {
    setSecurityHeaders(reply);
    if (shutdown.begun) reply.header("connection", "close");
    done(null, payload);
  });
  app.setErrorHandler(sendProblem);
  // Reached by `reply.callNotFound()` alone; requests without a route end in the hook above.
  app.setNotFoundHandler(() => {
    throw new HttpProblem("not_found");
  });
  app.addHook("preClose", async () => shutdown.begin());

  if (options.openApi) await addOpenApi(app, options.openApi);
  return app;
}

function connectionOptions(limits: HttpLimits) {
  return {
    bodyLimit: limits.maxBytes,
    requestTimeout: limits.requestTimeoutMs,
    connectionTimeout: limits.idleTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxRequestsPerSocket: limits.maxRequestsPerConnection,
    http: {
      maxHeaderSize: limits.maxHeaderBytes,
      // `findHeadFault` looks at it, so that its absence is answered like everything else.
      requireHostHeader: false,
      headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
      requestTimeout: limits.requestTimeoutMs,
      // Node looks for overdue requests at this interval; its default of 30 s would make the limits a guess.
      connectionsCheckingInterval: 1000,
    },
  };
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

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("a hook failed", { cause: error });
}
