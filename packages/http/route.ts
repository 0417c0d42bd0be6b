import type { FastifyRequest, RouteOptions } from "fastify";
import { type Access, scopesOf } from "./access.js";
import type { BodyLimits } from "./body.js";
import { HttpSetupError } from "./errors.js";
import type { Principal, Scope } from "./scopes.js";

/** What this package adds to a route's `config`. */
export interface RouteConfig {
  readonly access?: Access;
  /** Limits of the body; Fastify's `bodyLimit` counts as `maxBytes`. Default: the server's. */
  readonly body?: Partial<BodyLimits>;
  /** `own`: the route has limits of its own; the shared ones per address and token do not count it. */
  readonly rateLimit?: "shared" | "own";
  /** Answered also while the server stops. For health routes. */
  readonly duringShutdown?: boolean;
  /** Where the token is when it is not in `Authorization`; `undefined` means that it is missing there too. */
  readonly readToken?: (request: FastifyRequest) => string | undefined;
  /**
   * Whom a credential of another kind than a token stands for; undefined where the request brings none, and its token is
   * looked at. What it throws is the answer.
   */
  readonly readPrincipal?: ((request: FastifyRequest) => Principal | undefined) | undefined;
  /** Codes beyond the shared ones that this route answers with; they go into the OpenAPI document. */
  readonly errors?: readonly string[];
}

/** What hooks need to know about a route, worked out once when it is registered. */
export interface Route {
  /** The pattern, never an actual path; `unmatched` when no route matched. */
  readonly pattern: string;
  /** Log metadata of everything that happens in the request. */
  readonly meta: Readonly<Record<string, string>>;
  readonly scopes: readonly Scope[];
  readonly sharedRateLimit: boolean;
  readonly duringShutdown: boolean;
  readonly body: BodyLimits;
  readonly takesBody: boolean;
  readonly readToken: ((request: FastifyRequest) => string | undefined) | undefined;
  readonly readPrincipal: ((request: FastifyRequest) => Principal | undefined) | undefined;
}

const routeKey: unique symbol = Symbol("route");

declare module "fastify" {
  interface FastifyContextConfig extends RouteConfig {
    [routeKey]?: Route;
  }
}

/**
 * Works out the `Route` and keeps it in the options' config.
 * @throws {HttpSetupError} `HTTP_ROUTE_WITHOUT_ACCESS`.
 */
export function rememberRoute(options: RouteOptions, defaults: BodyLimits): Route {
  const { config = {} } = options;
  const method = String(options.method);
  if (config.access === undefined)
    throw new HttpSetupError("HTTP_ROUTE_WITHOUT_ACCESS", {
      message: `The route ${method} ${options.url} does not state who may call it.`,
    });
  const maxBytes = config.body?.maxBytes ?? options.bodyLimit ?? defaults.maxBytes;
  const route: Route = {
    pattern: options.url,
    meta: Object.freeze({ caller_id: `${method} ${options.url}` }),
    scopes: scopesOf(config.access),
    sharedRateLimit: config.access !== "protocol" && config.rateLimit !== "own",
    duringShutdown: config.duringShutdown ?? false,
    body: {
      maxBytes,
      maxInflatedBytes: config.body?.maxInflatedBytes ?? Math.max(maxBytes, defaults.maxInflatedBytes),
    },
    takesBody: options.schema?.body !== undefined,
    readToken: config.readToken,
    readPrincipal: config.readPrincipal,
  };
  options.config = { ...config, [routeKey]: route };
  return route;
}

const unmatched: Route = {
  pattern: "unmatched",
  meta: Object.freeze({ caller_id: "unmatched" }),
  scopes: [],
  sharedRateLimit: true,
  duringShutdown: false,
  body: { maxBytes: 0, maxInflatedBytes: 0 },
  takesBody: false,
  readToken: undefined,
  readPrincipal: undefined,
};

/** The route that a request matched, or the one that stands for none. */
export function routeOf(request: FastifyRequest): Route {
  return request.routeOptions.config[routeKey] ?? unmatched;
}
