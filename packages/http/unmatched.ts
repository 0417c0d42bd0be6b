import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { HttpProblem } from "./problems.js";

export interface Unmatched {
  readonly app: FastifyInstance;
  readonly methods: Iterable<string>;
  /** What people see at an address that does not exist. */
  readonly page: string | undefined;
}

/** Addresses that only programs ask for: whoever opens one in a browser wants to see what they would get. */
const programsOnly = /^\/(?:api|-|assets)(?:\/|$)|\.\w+$/;

/**
 * Answers a request that no route takes: `OPTIONS` of a known address with its methods, a known address with
 * another method by 405, everything else by 404, which browsers get as a page if there is one.
 * @throws {HttpProblem} `method_not_allowed` with `Allow`, or `not_found`.
 */
export function answerUnmatched({ app, methods, page }: Unmatched, request: FastifyRequest, reply: FastifyReply): void {
  const allowed = request.url === "*" ? [...methods] : methodsAt(app, methods, request.url);
  if (allowed.length === 0) {
    if (page === undefined || !isForPeople(request)) throw new HttpProblem("not_found");
    reply
      .code(404)
      .headers({ "cache-control": "no-cache", vary: "accept" })
      .type("text/html; charset=utf-8")
      .send(page);
    return;
  }
  const allow = [...new Set([...allowed, "OPTIONS"])].sort().join(", ");
  if (request.method !== "OPTIONS")
    throw new HttpProblem("method_not_allowed", {
      detail: `This address answers ${allow}.`,
      headers: { allow },
    });
  reply.code(204).header("allow", allow).send();
}

/** Browsers ask for HTML when they open an address; programs do not. */
function isForPeople({ method, url, headers }: FastifyRequest): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  return /\btext\/html\b/i.test(headers.accept ?? "") && !programsOnly.test(url.split("?", 1)[0] ?? "");
}

function methodsAt(app: FastifyInstance, methods: Iterable<string>, url: string): string[] {
  const allowed: string[] = [];
  for (const method of methods) {
    if (isMethod(app, method) && app.findRoute({ method, url }) !== null) allowed.push(method);
  }
  return allowed;
}

type Method = Parameters<FastifyInstance["findRoute"]>[0]["method"] & string;

function isMethod(app: FastifyInstance, method: string): method is Method {
  return app.supportedMethods.some((supported) => supported === method);
}
