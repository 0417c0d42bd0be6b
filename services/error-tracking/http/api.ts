import type { FastifyPluginAsync } from "fastify";
import type { ApiDependencies } from "./api-dependencies.js";
import { registerErrorEventRoutes, registerSingleEventRoute } from "./error-events.js";
import { registerIssueRoutes } from "./issues.js";
import { registerProjectRoutes } from "./projects.js";

/**
 * The read API and the workflow. GitLab's routes exist twice: in our own API and under the path that GitLab's clients
 * are configured with; what only we have is in our own alone.
 */
export function createApi(dependencies: ApiDependencies): FastifyPluginAsync {
  return async (app) => {
    for (const prefix of ["/api/v1", "/errortracking/api/v1"]) {
      await app.register(
        async (scoped) => {
          registerIssueRoutes(scoped, dependencies);
          registerErrorEventRoutes(scoped, dependencies);
        },
        { prefix },
      );
    }
    await app.register(
      async (scoped) => {
        registerSingleEventRoute(scoped, dependencies);
        registerProjectRoutes(scoped, dependencies);
      },
      { prefix: "/api/v1" },
    );
  };
}
