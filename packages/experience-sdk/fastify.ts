import { enterContext, readCorrelation } from "@signalbox/kernel";
import type { FastifyInstance, FastifyPluginCallback, FastifyRequest } from "fastify";
import type { Client } from "./client.js";

/**
 * Opens a context for each request: the journeys that the caller's headers bring along can be resumed, those started
 * here end up in outgoing headers, and answers carry `X-Correlation-ID`.
 *
 *     await app.register(experiences(client));
 *
 * Applies to the whole server, also to plugins with a scope of their own.
 */
export function experiences(client: Client): FastifyPluginCallback {
  const plugin: FastifyPluginCallback = (app: FastifyInstance, _options, done) => {
    app.addHook("onRequest", (request: FastifyRequest, reply, next) => {
      const correlation = readCorrelation(request.headers);
      const known = reply.getHeader("x-correlation-id");
      // Whoever answers with an id already has opened the context: it stays.
      if (typeof known !== "string") {
        enterContext(correlation);
        reply.header("x-correlation-id", correlation.correlationId);
      }
      client.enterContext({ ...request.headers });
      next();
    });
    done();
  };
  // Without this, Fastify would keep the hook within the plugin.
  return Object.assign(plugin, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: "@signalbox/experience-sdk",
  });
}
