import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

const requestHeaders =
  "authorization, content-type, content-encoding, idempotency-key, x-correlation-id, x-experience-dropped";
/** What a page may read of an answer beside its body. */
const answerHeaders = "retry-after, x-correlation-id";

/** Lets pages of these origins post to these paths; without origins nothing is added. Applies to the plugin's routes. */
export function allowPages(app: FastifyInstance, origins: readonly string[], paths: readonly string[]): void {
  if (origins.length === 0) return;
  const allowed = new Set(origins.map((origin) => new URL(origin).origin));
  const isAllowed = ({ headers }: FastifyRequest): boolean =>
    headers.origin !== undefined && allowed.has(headers.origin);
  // On every answer, also where access is refused before this plugin has a say: without it a page sees no 401 and no
  // `Retry-After`, only that something failed.
  app.addHook("onSend", async (request: FastifyRequest, reply: FastifyReply) => {
    reply.header("vary", "origin");
    if (!isAllowed(request)) return;
    reply.header("access-control-allow-origin", request.headers.origin);
    reply.header("access-control-expose-headers", answerHeaders);
  });
  for (const path of paths) {
    app.options(path, {
      config: { access: "public", rateLimit: "own" },
      schema: {
        summary: "Say whether a page of another origin may send checkpoints",
        tags: ["experiences"],
        response: { 204: { description: "What may be sent.", type: "null" } },
      },
      async handler(request, reply) {
        reply.header("allow", "POST, OPTIONS");
        if (isAllowed(request))
          reply.headers({
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": requestHeaders,
            "access-control-max-age": "600",
          });
        return reply.code(204).send();
      },
    });
  }
}
