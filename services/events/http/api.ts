import { refuseNulInBody } from "@signalbox/http";
import type { FastifyPluginAsync } from "fastify";
import { registerDeadLetterRoutes } from "./dead.js";
import type { ApiDependencies } from "./dependencies.js";
import { refuseUnknownQuery } from "./known-query.js";
import { registerLogRoutes } from "./log.js";
import { registerQueueRoutes } from "./queues.js";
import { registerTypeRoutes } from "./types.js";

/** The routes below `/api/v1/events`. There is none to publish: producers have their own. */
export function createApi(dependencies: ApiDependencies): FastifyPluginAsync {
  return async (app) => {
    await app.register(
      async (scoped) => {
        scoped.addHook("preValidation", refuseNulInBody);
        refuseUnknownQuery(scoped);
        registerTypeRoutes(scoped, dependencies);
        registerQueueRoutes(scoped, dependencies);
        registerLogRoutes(scoped, dependencies);
        registerDeadLetterRoutes(scoped, dependencies);
      },
      { prefix: "/api/v1/events" },
    );
  };
}
