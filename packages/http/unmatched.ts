import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { HttpProblem } from "./problems.js";

/**
 * Answers a request that no route takes: `OPTIONS` of a known address with its methods, a known address with
 * another method by 405, everything else by 404.
 * @throws {HttpProblem} `method_not_allowed` with `Allow`, or `not_found`.
 */
export function answerUnmatched(
  app: FastifyInstance,
  methods: Iterable<string>,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const allowed = request.url === "*" ? [...methods] : methodsAt(app, methods, request.url);
  if (allowed.length === 0) throw new HttpProblem("not_found");
  const allow = [...new Set([...allowed, "OPTIONS"])].sort().join(", ");
  if (request.method !== "OPTIONS")
    throw new HttpProblem("method_not_allowed", {
      detail: `This address answers ${allow}.`,
      headers: { allow },
    });
  reply.code(204).header("allow", allow).send();
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
