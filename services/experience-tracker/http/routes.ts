import { HttpProblem } from "@signalbox/http";
import { currentContext, enterContext } from "@signalbox/kernel";
import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import { registerCheckpointRoutes } from "./checkpoints.js";
import { registerDefinitionRoutes } from "./definitions.js";
import type { RouteDependencies } from "./dependencies.js";
import { registerGapRoute } from "./gaps.js";
import { registerReaperRoutes } from "./reaper.js";
import { registerReportRoutes } from "./reports/routes.js";
import { registerRuleRoutes } from "./rules.js";
import { registerRunRoutes } from "./runs.js";

/** Headers of GitLab's clients that go into the log and decide nothing. */
const gitlabHeaders = [
  ["x-gitlab-authentication-type", "gitlab_authentication_type"],
  ["x-gitlab-instance-id", "gitlab_instance_id"],
  ["x-gitlab-realm", "gitlab_realm"],
  ["x-gitlab-global-user-id", "gitlab_global_user_id"],
] as const;

/** The experience API below `/api/v1/experience`. */
export function createRoutes(dependencies: RouteDependencies): FastifyPluginAsync {
  return async (app) => {
    await app.register(
      async (api) => {
        api.addHook("onRequest", (request, _reply, done) => {
          noteGitlabHeaders(request);
          done();
        });
        api.addHook("onError", async (_request, _reply, error) => {
          if (
            error instanceof HttpProblem &&
            (error.status === 401 || error.code === "insufficient_scope" || error.code === "producer_not_allowed")
          )
            dependencies.metrics.refusedToken(error.code);
        });
        await api.register(async (scoped) => registerCheckpointRoutes(scoped, dependencies));
        await api.register(async (scoped) => registerDefinitionRoutes(scoped, dependencies));
        registerRunRoutes(api, dependencies);
        registerReportRoutes(api, dependencies);
        registerRuleRoutes(api, dependencies);
        registerGapRoute(api, dependencies);
        registerReaperRoutes(api, dependencies);
      },
      { prefix: "/api/v1/experience" },
    );
  };
}

function noteGitlabHeaders(request: FastifyRequest): void {
  let found: Record<string, string> | undefined;
  for (const [header, name] of gitlabHeaders) {
    const value = request.headers[header];
    if (typeof value === "string") found = { ...found, [name]: value.slice(0, 256) };
  }
  if (!found) return;
  const context = currentContext();
  enterContext({ ...context, meta: { ...context.meta, ...found } });
}
