import type { IncomingMessage } from "node:http";
import { canonicalCorrelationId, type Logger, type Metrics, silentLogger, ulid } from "@signalbox/kernel";
import fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { type Access, type Authenticator, requireScope, scopesOf } from "./access.js";
import { HttpSetupError } from "./errors.js";
import { HttpProblem, problemDocument } from "./problems.js";
import type { Principal } from "./scopes.js";

declare module "fastify" {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    /** Null on public and protocol routes. */
    principal: Principal | null;
    /** Canonical correlation id of the request. */
    correlationId: string;
  }
  interface FastifyInstance {
    /** From now on new requests are answered 503 with `Retry-After`, also on connections that are open. */
    beginShutdown(): void;
  }
}

export interface HttpServerOptions {
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** Needed by routes with a scope. */
  readonly authenticator?: Authenticator;
  /** Changes the path (with query) before routing. */
  readonly rewriteUrl?: (url: string) => string;
}

export async function createHttpServer(options: HttpServerOptions = {}): Promise<FastifyInstance> {
  const logger = options.logger ?? silentLogger;
  const { rewriteUrl } = options;
  let stopping = false;
  const app = fastify({
    logger: false,
    routerOptions: { ignoreTrailingSlash: true },
    ...(rewriteUrl ? { rewriteUrl: (request: IncomingMessage) => rewriteUrl(request.url ?? "/") } : {}),
  });
  app.decorateRequest("principal", null);
  app.decorateRequest("correlationId", "");
  app.decorate("beginShutdown", () => {
    stopping = true;
  });
  app.addHook("onRoute", (route) => {
    if (route.config?.access === undefined)
      throw new HttpSetupError("HTTP_ROUTE_WITHOUT_ACCESS", {
        message: `${route.method} ${route.url} states no access.`,
      });
  });
  app.addHook("onRequest", async (request, reply) => {
    const given = request.headers["x-correlation-id"];
    request.correlationId = canonicalCorrelationId(typeof given === "string" ? given : ulid());
    reply.header("x-correlation-id", request.correlationId);
    if (stopping) throw new HttpProblem("shutting_down", { headers: { "retry-after": "5", connection: "close" } });
    const access = request.routeOptions.config.access;
    if (access === undefined) return;
    const needed = scopesOf(access);
    if (needed.length === 0) return;
    if (!options.authenticator) throw new HttpProblem("missing_token");
    request.principal = await options.authenticator.authenticate(bearerToken(request));
    requireScope(request.principal, needed);
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = error instanceof HttpProblem ? error : new HttpProblem("internal_error", { cause: error });
    if (problem.status >= 500) logger.error("request failed", { error });
    return reply
      .code(problem.status)
      .headers(problem.headers)
      .type("application/problem+json")
      .send(JSON.stringify(problemDocument(problem, request.url, request.correlationId)));
  });
  app.setNotFoundHandler(() => {
    throw new HttpProblem("not_found");
  });
  return app;
}

function bearerToken(request: FastifyRequest): string | undefined {
  return /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1];
}
